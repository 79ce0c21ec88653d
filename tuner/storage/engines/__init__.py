"""Engines on SQLite and PostgreSQL: turns of writers, conflicts, outages, damaged files."""
