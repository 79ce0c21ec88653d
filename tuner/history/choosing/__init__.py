"""Which earlier studies can inform a study, and what is reported about the others."""
