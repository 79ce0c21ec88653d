"""What several earlier studies teach, as one prior."""
