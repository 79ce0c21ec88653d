"""A search space as seen by the models: points instead of Optuna's parameters."""
