"""Builds a study's models before it starts: how large they are, how long a step takes."""
