"""How many workers are of use, by kind."""
