"""Checks and repairs the database's rows: each must be complete, and all must agree."""
