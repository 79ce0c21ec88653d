"""What an objective receives, and how it is found and monitored."""
