"""Models of an objective over points of a search space: arrays in, predictions out."""
