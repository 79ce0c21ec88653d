"""Which parameters decide how good a trial is."""
