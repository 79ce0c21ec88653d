"""The process and its machine: what both must be, logs, memory, imports and fault points."""
