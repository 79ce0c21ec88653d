"""The process and its machine: requirements on both, logs, memory, imports and fault points."""
