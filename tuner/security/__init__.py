"""Who acts, what a token permits, whom this process trusts, and how its secrets are protected."""
