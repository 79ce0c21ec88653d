"""Several processes of one trial: one proposal for all ranks, and rank 0 speaks for them."""
