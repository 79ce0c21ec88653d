"""The files that the service itself writes and removes below its roots."""
