"""The earlier runs in the database."""
