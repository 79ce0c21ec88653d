"""What the targets of `tuner launch` share."""
