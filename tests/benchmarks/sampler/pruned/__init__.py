"""Studies with a pruner, compared at equal budgets of epochs: `sampler pruned …`."""
