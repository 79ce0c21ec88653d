"""Runs of experiment trackers: MLflow, W&B, Neptune. None of these packages is imported."""
