"""This host's workers, and how many there should be."""
