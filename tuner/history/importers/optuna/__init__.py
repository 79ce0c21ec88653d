"""Optuna's databases and journals."""
