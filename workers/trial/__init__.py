"""The process of a trial, and its worker across the line."""
