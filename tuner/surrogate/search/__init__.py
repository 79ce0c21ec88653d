"""The search for the point where a trial is worth most."""
