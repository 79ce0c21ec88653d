"""Connections, and HTTP on them, within limits."""
