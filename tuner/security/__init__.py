"""Who acts, what a token allows, whom this process trusts, and how its secrets stay secret."""
