"""How many workers could be used, by kind."""
