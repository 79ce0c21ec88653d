"""Connections, and HTTP on them, within bounds."""
