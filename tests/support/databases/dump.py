"""Everything that a database holds, for tests that compare it before and after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from tuner.storage.engines.engine import make_engine

#: The coordinator renews its lead while nothing else happens.
_RESTLESS = {"tuner_leader"}
#: A study's folder is brought up to date within a minute.
_RESTLESS_COLUMNS = {("tuner_studies", "filed")}

Dump = dict[str, list[tuple[Any, ...]]]


class Database:
    """A test's own view of a server's database.

    Args:
        url: as the server has it.
    """

    def __init__(self, url: str) -> None:
        self._engine = make_engine(url, read_only=False)
        self._reader = make_engine(url, read_only=True)
        self._metadata = sa.MetaData()
        self._metadata.reflect(self._reader)

    def dump(self) -> Dump:
        """Return the rows of every table, ours and Optuna's, without what changes by itself."""
        with self._reader.connect() as connection:
            return {
                table.name: sorted(map(tuple, connection.execute(_still(table))), key=repr)
                for table in self._metadata.sorted_tables
                if table.name not in _RESTLESS
            }

    def rows_of(self, study_id: int) -> dict[str, int]:
        """Return how many rows of a study each of our tables has, if any."""
        with self._reader.connect() as connection:
            counts = {
                table.name: connection.execute(
                    sa.select(sa.func.count()).where(table.c.study_id == study_id)
                ).scalar_one()
                for table in self._metadata.sorted_tables
                if table.name.startswith("tuner_") and "study_id" in table.c
            }
        return {name: count for name, count in counts.items() if count}

    def count(self, table: str, **where: Any) -> int:
        """Return how many rows of a table have these values."""
        rows = self._metadata.tables[table]
        conditions = [rows.c[name] == value for name, value in where.items()]
        with self._reader.connect() as connection:
            query = sa.select(sa.func.count()).select_from(rows).where(*conditions)
            return int(connection.execute(query).scalar_one())

    @contextmanager
    def hold(self, table: str, **where: Any) -> Iterator[sa.Connection]:
        """Lock rows, so that the server waits for them; on SQLite it waits with everything."""
        with self._engine.begin() as connection:
            lock(connection, self._metadata.tables[table], **where)
            yield connection

    def lock(self, connection: sa.Connection, table: str, **where: Any) -> None:
        """Lock more rows in a transaction that `hold` has begun."""
        lock(connection, self._metadata.tables[table], **where)

    def is_waited_for(self) -> bool:
        """Return whether a session waits for a lock; of PostgreSQL only."""
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        with self._reader.connect() as connection:
            found = connection.exec_driver_sql(f"{waiting} AND wait_event_type = 'Lock'")
            return bool(found.scalar_one())

    def close(self) -> None:
        self._engine.dispose()
        self._reader.dispose()


def lock(connection: sa.Connection, table: sa.Table, **where: Any) -> None:
    conditions = [table.c[name] == value for name, value in where.items()]
    found = connection.execute(sa.select(table).where(*conditions).with_for_update()).all()
    assert found, f"{table.name}: nothing with {where}"


def study_id_of(attempt: str) -> int:
    """Return the database's id of the study of an attempt, which the attempt's begins with."""
    return int(attempt.partition("-")[0].removeprefix("s"))


def _still(table: sa.Table) -> sa.Select[Any]:
    """Return a query for the columns of a table that do not change by themselves."""
    return sa.select(*(c for c in table.c if (table.name, c.name) not in _RESTLESS_COLUMNS))
