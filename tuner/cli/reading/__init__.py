"""Requests to the service that several commands make."""
