"""The numbers that databases assign to new rows: no number is ever assigned twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import sqlalchemy as sa

#: Table, column and sequence of every number that PostgreSQL assigns.
_SEQUENCES = sa.text(
    "SELECT t.relname, a.attname, s.oid::regclass::text FROM pg_depend d"
    " JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'"
    " JOIN pg_class t ON t.oid = d.refobjid AND t.relkind = 'r'"
    " JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid"
    " WHERE d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')"
    " AND t.relnamespace = current_schema()::regnamespace"
)
#: The tables whose numbers SQLite remembers; it reuses those of others.
_REMEMBERED = sa.text(
    "SELECT m.name, s.seq FROM sqlite_master m LEFT JOIN sqlite_sequence s ON s.name = m.name"
    " WHERE m.type = 'table' AND m.sql LIKE '%AUTOINCREMENT%'"
)


def read_next_ids(connection: sa.Connection) -> dict[str, int]:
    """Return the number that the next row of each table gets, where the database remembers it."""
    if connection.dialect.name == "sqlite":
        return {table: (last or 0) + 1 for table, last in _remembered(connection)}
    return {
        table: connection.exec_driver_sql(
            f"SELECT last_value + is_called::int FROM {sequence}"  # noqa: S608 - of the catalogue  # nosec B608  # of the catalogue
        ).scalar_one()
        for table, _, sequence in connection.execute(_SEQUENCES).all()
    }


def set_next_ids(connection: sa.Connection, next_ids: Mapping[str, int]) -> None:
    """Make no table assign a number that one of its rows has, or that `next_ids` says was used.

    Optuna's tables on SQLite continue after their highest number: Optuna creates them that way.
    """
    if connection.dialect.name == "sqlite":
        for table, last in list(_remembered(connection)):
            known = {"table": table, "last": max(last or 0, next_ids.get(table, 1) - 1)}
            connection.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :table"), known)
            connection.execute(sa.text("INSERT INTO sqlite_sequence VALUES (:table, :last)"), known)
        return
    for table, column, sequence in connection.execute(_SEQUENCES).all():
        highest: int | None = connection.execute(
            sa.select(sa.func.max(sa.column(column))).select_from(sa.table(table))
        ).scalar_one()
        following = max((highest or 0) + 1, next_ids.get(table, 1))
        connection.execute(sa.select(sa.func.setval(sequence, following, False)))


def _remembered(connection: sa.Connection) -> Iterator[tuple[str, int | None]]:
    if sa.inspect(connection).has_table("sqlite_sequence"):
        yield from (tuple(row) for row in connection.execute(_REMEMBERED))
