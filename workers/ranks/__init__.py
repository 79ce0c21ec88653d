"""Several processes for one trial: one proposal for all ranks, and rank 0 speaks for them."""
