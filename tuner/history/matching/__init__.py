"""The parameters, metrics and outcomes of an earlier study in terms of the study that learns."""
