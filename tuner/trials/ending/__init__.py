"""What the end of an attempt means: for its trial, for what is run again, and for its worker."""
