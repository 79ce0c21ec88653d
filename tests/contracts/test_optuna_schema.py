"""The tables that `tuner.storage.schema` makes for Optuna are those that Optuna itself makes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from optuna.storages import RDBStorage

from tests.support.databases.lab import opened
from tuner.storage.database import open_optuna
from tuner.storage.revisions import Schema, known
from tuner.storage.schema import drop, migrate, read_schema


def shape(connection: sa.Connection) -> dict[str, Any]:
    """Return everything that a database knows of its tables, and what Optuna notes of itself."""
    inspector = sa.inspect(connection)
    names = inspector.get_table_names()
    found: dict[str, Any] = {
        name: {
            "columns": [{**c, "type": str(c["type"])} for c in inspector.get_columns(name)],
            "indexes": inspector.get_indexes(name),
            "references": inspector.get_foreign_keys(name),
            "unique": inspector.get_unique_constraints(name),
            "key": inspector.get_pk_constraint(name),
        }
        for name in names
    }
    if connection.dialect.name == "postgresql":
        found["enums"] = inspector.get_enums()  # type: ignore[attr-defined]
    if "version_info" in names:
        for table in ("version_info", "alembic_version"):
            rows = connection.execute(sa.text(f"SELECT * FROM {table}")).all()  # noqa: S608
            found[f"{table}-rows"] = [tuple(row) for row in rows]
    return found


def test_we_make_the_tables_that_optuna_makes_and_remove_them_without_trace(
    database_url: str,
) -> None:
    goal = Schema(tuner=None, optuna=known("optuna")[-1])
    with opened(database_url) as storage:
        with storage.change_schema() as connection:
            migrate(connection, goal)
            ours = shape(connection)
            drop(connection)
            nothing = shape(connection)
        open_optuna(database_url).engine.dispose()
        with storage.read() as connection:
            theirs = shape(connection)
            assert read_schema(connection) == goal

    assert ours == theirs
    assert not [name for name, content in nothing.items() if content]


def test_the_revisions_are_read_as_optuna_reads_them(sqlite_url: str) -> None:
    theirs: RDBStorage = open_optuna(sqlite_url)

    assert list(known("optuna")) == theirs.get_all_versions()[::-1]
    assert known("optuna")[-1] == theirs.get_head_version()
    theirs.engine.dispose()
