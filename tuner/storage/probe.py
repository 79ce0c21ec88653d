"""Checks whether writes succeed, with a small write that is repeated and leaves nothing behind.

A database that answers queries may still refuse writes: its disk is full, it is read-only, or
somebody else holds it. On SQLite the write is as large as that of an ordinary transaction, because
a full disk often has room for one page.
"""

from __future__ import annotations

from tuner.storage import tables
from tuner.storage.database import Storage

#: On SQLite: eight pages. The row is replaced, so the file does not grow.
FILLER = bytes(32 << 10)
#: Milliseconds after which PostgreSQL gives up a waiting probe.
_WAIT_MS = 1500

_p = tables.probe
_UPDATE = _p.update().where(_p.c.id == 1)


def write_probe(storage: Storage) -> None:
    """Write a row, replacing the previous one.

    Raises:
        UnavailableError: it cannot be written; the cause says why (`outage.trouble_of`).
    """
    with storage.begin() as connection:
        values = {"time": storage.now(connection), "filler": b""}
        if storage.is_sqlite:
            values["filler"] = FILLER
        else:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_WAIT_MS}")
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {_WAIT_MS}")
        if connection.execute(_UPDATE.values(**values)).rowcount == 0:
            connection.execute(_p.insert().values(id=1, **values))
