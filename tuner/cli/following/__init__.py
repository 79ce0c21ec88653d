"""Running a study, or following it, to its end."""
