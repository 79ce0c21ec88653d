"""What a study learns from the history: its prior, kept up to date."""
