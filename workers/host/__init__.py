"""This host, and this process on it."""
