"""What `tuner check` finds out by building models: sizes, faults and what a budget will cost."""
