"""What `tuner check` finds out by building models: sizes, faults, and the cost of a budget."""
