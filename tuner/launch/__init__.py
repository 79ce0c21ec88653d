"""Workers on a cluster managed by an external scheduler: Slurm and Ray (docs/schedulers.md)."""
