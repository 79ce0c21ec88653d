"""Whether a service uses a database; then its tables and rows must not be replaced."""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa

from tuner.errors import UnavailableError
from tuner.storage import tables
from tuner.storage.database import Storage

_LOOK_S = 0.2


def wait_until_free(storage: Storage) -> None:
    """Wait until no service leads the database: the lead of a killed one ends with its lease.

    Raises:
        UnavailableError: a service is alive, because it has extended its lead meanwhile.
    """
    first: float | None = None
    while True:
        with storage.read() as connection:
            row, now = _leader(connection), storage.now(connection)
        if row is None or row.lease_until <= now:
            return
        if first is not None and row.lease_until > first:
            raise _occupied(row)
        first = row.lease_until
        time.sleep(_LOOK_S)


def require_free(connection: sa.Connection, now: float) -> None:
    """Check, in a transaction that changes the schema, that no service leads or can take the lead.

    Raises:
        UnavailableError: one does.
    """
    if connection.dialect.name == "postgresql" and _has_leader_table(connection):
        connection.exec_driver_sql("SET LOCAL lock_timeout = '10s'")
        connection.exec_driver_sql(f"LOCK TABLE {tables.leader.name} IN ACCESS EXCLUSIVE MODE")
    row = _leader(connection)
    if row is not None and row.lease_until > now:
        raise _occupied(row)


def _leader(connection: sa.Connection) -> sa.Row[Any] | None:
    if not _has_leader_table(connection):
        return None
    return connection.execute(sa.select(tables.leader).where(tables.leader.c.id == 1)).first()


def _has_leader_table(connection: sa.Connection) -> bool:
    return sa.inspect(connection).has_table(tables.leader.name)


def _occupied(row: sa.Row[Any]) -> UnavailableError:
    host, pid, _ = row.holder.rsplit("-", 2)
    return UnavailableError(
        f"a service works with this database (process {pid} on {host}); end it first: "
        "`tuner down` does there, or stop its container"
    )
