"""Studies in a log directory, of this service's and of other tools', each as a table of trials."""
