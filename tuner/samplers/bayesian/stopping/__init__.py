"""Trials that are stopped early: by a pruner, or by the time limit of a trial."""
