"""A study on a screen: its progress, its state, its best trials, and what it learned."""
