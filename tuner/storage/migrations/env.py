"""Alembic's entry point: runs migrations, ours and Optuna's, on the connection passed in."""

from __future__ import annotations

from alembic import context

given = context.config.attributes
context.configure(connection=given["connection"], version_table=given["version_table"])
with context.begin_transaction():
    context.run_migrations()
