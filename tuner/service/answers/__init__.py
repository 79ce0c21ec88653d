"""Answers to users about studies and trials."""
