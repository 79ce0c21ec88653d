"""Proposing the next trial of a study: what is known, what is chosen, and what is recorded."""
