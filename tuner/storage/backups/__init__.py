"""Backups: written, read and restored."""
