"""The search for the most valuable point for a trial."""
