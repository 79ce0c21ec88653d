"""What workers ask: claim, report, beat, finish."""
