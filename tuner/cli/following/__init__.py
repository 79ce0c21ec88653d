"""Running or following a study to its end."""
