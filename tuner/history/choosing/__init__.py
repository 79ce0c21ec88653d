"""Which earlier studies can inform a study, and what is said of the others."""
