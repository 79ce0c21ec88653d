"""A search space as the models see it: points in place of Optuna's parameters."""
