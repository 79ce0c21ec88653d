"""The studies in the coordinator's memory."""
