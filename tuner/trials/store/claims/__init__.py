"""Attempts that wait for a claim, and the leases of those that were claimed."""
