"""What a study learns from history: its prior, kept up to date."""
