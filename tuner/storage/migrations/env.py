"""Alembic's entry: runs migrations, ours and Optuna's, on the connection that is handed over."""

from __future__ import annotations

from alembic import context

given = context.config.attributes
context.configure(connection=given["connection"], version_table=given["version_table"])
with context.begin_transaction():
    context.run_migrations()
