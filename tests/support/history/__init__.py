"""Earlier studies for tests."""
