"""Real trainings for tests, and what they need."""
