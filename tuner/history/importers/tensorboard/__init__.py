"""TensorBoard folders with hyperparameters."""
