"""The workers of this host, and how many there should be."""
