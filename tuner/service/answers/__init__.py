"""What users are answered about studies and trials."""
