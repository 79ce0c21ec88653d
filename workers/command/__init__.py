"""Trials that are a command: `[python, train.py, --lr, "{train.learning_rate}"]`."""
