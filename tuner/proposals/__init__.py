"""Proposing the next trial of a study: what is known, what is chosen, and what was written down."""
