"""SQLAlchemy engines that are safe with several writers, on SQLite and on PostgreSQL."""

from __future__ import annotations

import select
import sqlite3
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from tuner.errors import SetupError
from tuner.runtime.system import pip_install

#: Seconds that a writer waits for another one.
BUSY_TIMEOUT_S = 60.0

#: Seconds without a statement after which PostgreSQL ends a transaction: a server that freezes
#: while it holds locks would block all others, and its successor.
FROZEN_S = 5.0
#: Gives up on a PostgreSQL that has become unreachable instead of waiting; libpq's names.
_BOUNDED = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


def make_engine(url: str, *, read_only: bool, patience_s: float = BUSY_TIMEOUT_S) -> sa.Engine:
    """Return an engine for `url`.

    On SQLite a writing engine begins every transaction with `BEGIN IMMEDIATE`: without it two
    processes can both believe that they changed the same row. A reading engine uses a plain `BEGIN`
    (an immediate one would block claims while a long list is read) and refuses to write.

    Args:
        url: SQLAlchemy URL.
        read_only: see above.
        patience_s: maximum seconds that a writer on SQLite waits for another one.

    Raises:
        SetupError: the URL cannot be used; the message hides its password.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise SetupError(
            "TUNER_DATABASE_URL is not a database URL; examples: sqlite:////data/tuner.db, "
            "postgresql://user@host/tuner"
        ) from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite(parsed, read_only=read_only, patience_s=patience_s)
    if backend == "postgresql":
        return _postgresql(parsed, read_only=read_only)
    raise SetupError(f"database {backend!r} is not supported; known: postgresql, sqlite")


def _postgresql(url: sa.URL, *, read_only: bool) -> sa.Engine:
    try:
        # Not at the top: only who uses PostgreSQL has its driver.
        from tuner.storage.postgres.dialect import READING, WRITING

        engine = sa.create_engine(
            url.set(drivername=READING if read_only else WRITING),
            pool_size=16,
            max_overflow=32,
            connect_args=_BOUNDED,
            # Tokens and users' parameters must not appear in logged tracebacks.
            hide_parameters=True,
        )
    except ImportError:
        raise SetupError(f"PostgreSQL needs its driver: {pip_install('psycopg[binary]')}") from None

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        # Set here and not as a start-up option, which connection poolers refuse.
        connection.execute(f"SET idle_in_transaction_session_timeout = '{FROZEN_S:g}s'")

    @event.listens_for(engine, "checkout")
    def _on_checkout(connection: Any, _record: Any, _proxy: Any) -> None:
        # SQLAlchemy's own `pool_pre_ping` asks the server every time: one round trip in eight.
        if _has_ended(connection):
            # The pool then opens another one.
            raise sa.exc.DisconnectionError

    return engine


def _has_ended(connection: Any) -> bool:
    """Whether the other side has closed an idle connection: that is all there could be to read."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _sqlite(url: sa.URL, *, read_only: bool, patience_s: float) -> sa.Engine:
    engine = sa.create_engine(
        url,
        connect_args={"timeout": patience_s, "check_same_thread": False},
        pool_size=16,
        hide_parameters=True,
    )
    harden_sqlite(engine, read_only=read_only)
    return engine


def harden_sqlite(engine: sa.Engine, *, read_only: bool = False) -> None:
    """Make transactions on an SQLite engine real ones; works before and after its first use."""

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        # The driver's own transaction handling is switched off: SQLAlchemy's `begin` controls it.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        if read_only:
            connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    engine.dispose()
