"""The workers of one host."""
