"""The process that runs and its machine: what both must be, logs, memory, imports, and fault points."""
