"""Studies, trials, attempts and workers as the database has them: what all above share."""
