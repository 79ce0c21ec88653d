"""What a database error means: an outage, a damaged file, or a faulty statement."""

from __future__ import annotations

import sqlite3
from typing import Literal

import sqlalchemy as sa

#: Why nothing can be written or read at present.
Trouble = Literal["full", "read-only", "locked", "damaged", "failing", "away"]

_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_SQLITE: dict[int, Trouble] = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "read-only",
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_IOERR: "failing",
    **dict.fromkeys(_DAMAGE, "damaged"),
}
#: PostgreSQL's disk_full, read_only_sql_transaction and lock_not_available; its errors about files.
_POSTGRESQL: dict[str, Trouble] = {
    "53100": "full",
    "25006": "read-only",
    "55P03": "locked",
    "XX001": "damaged",
    "XX002": "damaged",
}
#: idle_in_transaction_session_timeout: raised if a server was frozen within a transaction.
_FROZEN = "25P03"


#: The same as text for callers without a token: no host, no path, nothing from error messages.
TROUBLE_TEXTS: dict[Trouble, str] = {
    "full": "its disk is full; nothing can be written",
    "read-only": "is read-only; nothing can be written",
    "locked": "is locked by another process; every write waits for it",
    "damaged": "is damaged; a backup has to be put back",
    "failing": "its disk gives errors; nothing can be written",
    "away": "does not answer",
}


def trouble_of(exc: BaseException | None) -> Trouble:
    """Return what a database error says about the database as a whole."""
    orig = getattr(exc, "orig", None) or exc
    code = getattr(orig, "sqlite_errorcode", None)
    if isinstance(code, int):
        # The lower byte is the kind, the rest gives details.
        return _SQLITE.get(code & 0xFF, "away")
    return _POSTGRESQL.get(str(getattr(orig, "sqlstate", "")), "away")


def is_damage(exc: BaseException | None) -> bool:
    """Whether the file, or a part of it, is not (or no longer) a database."""
    return exc is not None and trouble_of(exc) == "damaged"


def is_outage(exc: sa.exc.DBAPIError) -> bool:
    """Whether the same transaction may succeed if tried again later."""
    state = getattr(exc.orig, "sqlstate", None)
    return (
        isinstance(exc, sa.exc.OperationalError)
        or exc.connection_invalidated
        or state in (_FROZEN, "25006")
        or is_damage(exc)
    )
