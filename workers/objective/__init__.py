"""What an objective gets, and how it is found and watched."""
