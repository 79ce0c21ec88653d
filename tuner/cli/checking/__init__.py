"""What `tuner check` looks at."""
