"""What becomes of a study: its results are told, and it continues, waits, pauses or ends."""
