"""Alembic's entry: runs our migrations on the connection that `database.py` hands over."""

from __future__ import annotations

from alembic import context

from tuner.storage.tables import metadata

#: Apart from Optuna's own table of the same purpose.
VERSION_TABLE = "tuner_alembic_version"

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_name=lambda name, kind, _parents: kind != "table" or (name or "").startswith("tuner_"),
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
