"""The checks of `tuner check`."""
