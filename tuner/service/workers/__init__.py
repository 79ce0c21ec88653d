"""The calls of workers: claim, report, beat, finish."""
