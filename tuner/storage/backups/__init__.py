"""Backups: written, read and put back."""
