"""Studies, trials, attempts and workers as stored in the database, shared by the layers above."""
