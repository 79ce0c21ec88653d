"""What several commands ask the service."""
