"""What the end of an attempt means for its trial, for retries, and for its worker."""
