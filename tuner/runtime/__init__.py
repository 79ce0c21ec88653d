"""The process that runs and its machine: what both must be, logs, memory, and fault points."""
