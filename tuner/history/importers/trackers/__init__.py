"""Runs of experiment trackers: MLflow, W&B, Neptune. None of them is imported."""
