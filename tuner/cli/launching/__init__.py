"""Code that the targets of `tuner launch` share."""
