"""The parameters, metrics and outcomes of an earlier study as those of a study that learns."""
