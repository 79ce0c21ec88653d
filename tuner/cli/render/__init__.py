"""Output on a screen."""
