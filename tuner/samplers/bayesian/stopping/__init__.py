"""Trials that are stopped on their way: by a pruner, or by the time that a trial may take."""
