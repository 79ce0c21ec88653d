"""Workers on a cluster that somebody else's scheduler owns: Slurm and Ray (docs/schedulers.md)."""
