"""One database and the transactions on it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event

from tuner.errors import TunerError, UnavailableError
from tuner.runtime.faultpoints import reach
from tuner.security.trust import explain_tls
from tuner.storage.engines.engine import BUSY_TIMEOUT_S, harden_sqlite, make_engine
from tuner.storage.engines.file_check import WAY_BACK
from tuner.storage.engines.outage import is_damage, is_outage
from tuner.storage.engines.turn import Turn
from tuner.storage.postgres import BEGAN

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

#: Id of the PostgreSQL lock that serializes schema changes: "tuner" as a number.
_SCHEMA_LOCK = 0x74756E6572


class Storage:
    """One database, with one engine for writing and one for reading.

    Thread-safe, and safe with several processes on the same database.
    """

    def __init__(self, url: str, *, patience_s: float = BUSY_TIMEOUT_S) -> None:
        self.url = url
        self.writer = make_engine(url, read_only=False, patience_s=patience_s)
        self.reader = make_engine(url, read_only=True)
        self.is_sqlite = self.writer.dialect.name == "sqlite"
        # SQLite allows one writer at a time and has no queue for the others; this is the queue.
        self._turn = Turn(patience_s) if self.is_sqlite else None

    @contextlib.contextmanager
    def begin(self, step: str = "") -> Iterator[sa.Connection]:
        """Open a writing transaction: committed at the end of the block, rolled back on an error.

        Args:
            step: of the coordinator, whose fault points are triggered around the commit.

        Raises:
            UnavailableError: the database cannot be reached or is too busy.
        """
        with (
            _outages_told(),
            self._in_turn(step),
            self.writer.connect() as connection,
            self._left_clean(connection),
            self._begun(connection),
        ):
            yield connection
            reach(f"{step}.before-commit")
        reach(f"{step}.after-commit")

    def _in_turn(self, step: str) -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext() if self._turn is None else self._turn.taken(step)

    def _begun(self, connection: sa.Connection) -> contextlib.AbstractContextManager[object]:
        """Begin a writing transaction; on SQLite, wait until nobody else writes."""
        return connection.begin() if self._turn is None else self._turn.first(connection.begin)

    @property
    def locked_s(self) -> float:
        """Seconds that the next write has waited so far for another process."""
        return 0.0 if self._turn is None else self._turn.locked_s

    @property
    def written_s(self) -> float:
        """Seconds that this process's present write to SQLite has taken; 0 if there is none."""
        return 0.0 if self._turn is None else self._turn.held_s

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open a reading transaction: a consistent view that never blocks a writer.

        Raises:
            UnavailableError: the database cannot be reached.
        """
        with (
            _outages_told(),
            self.reader.connect() as connection,
            self._left_clean(connection),
            connection.begin(),
        ):
            yield connection

    @contextlib.contextmanager
    def _left_clean(self, connection: sa.Connection) -> Iterator[None]:
        """Close a connection if its transaction ended with an unexpected error.

        A query that was not read to its end keeps SQLite at the moment at which it began: the next
        user of the connection would read outdated data.
        """
        try:
            yield
        except TunerError:
            raise
        except BaseException:
            if self.is_sqlite:
                connection.invalidate()
            raise

    @contextlib.contextmanager
    def change_schema(self) -> Iterator[sa.Connection]:
        """Open a transaction that may change tables; only one can be open at a time.

        On SQLite, foreign keys are checked at its end: a table is changed there by creating a
        replacement.

        Raises:
            UnavailableError: the database cannot be reached, is too busy, or has no room.
        """
        engine = make_engine(self.url, read_only=False)
        if self.is_sqlite:
            event.listen(engine, "connect", _check_references_later)
        try:
            with self._in_turn("change-schema"), engine.begin() as connection:
                if self.is_sqlite:
                    yield connection
                    _check_references(connection)
                else:
                    # Between two statements the client may be slow, for example because a file is.
                    connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
                    yield connection
        except sa.exc.OperationalError as exc:
            raise UnavailableError(f"the database is not available: {exc.orig}") from exc
        finally:
            engine.dispose()

    def copy_file(self, path: Path) -> None:
        """Copy the SQLite database as it is now to a new file, readable by its owner only.

        Raises:
            UnavailableError: there is no room, or the database cannot be read.
        """
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            with (
                _outages_told(),
                self.reader.connect() as connection,
                contextlib.closing(sqlite3.connect(path)) as target,
            ):
                source: Any = connection.connection.dbapi_connection
                source.backup(target)
        except sqlite3.Error as exc:
            path.unlink(missing_ok=True)
            raise UnavailableError(f"{path}: the database cannot be copied there: {exc}") from exc
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    @cached_property
    def optuna(self) -> RDBStorage:
        """Optuna's view of the same database, on a separate engine."""
        return open_optuna(self.url)

    def now(self, connection: sa.Connection) -> float:
        """Return the database's time when the transaction began, seconds since the epoch."""
        if self.is_sqlite:
            # The database's clock is this host's clock: the file is never shared over a network.
            return time.time()
        return float(connection.info[BEGAN])

    def close(self) -> None:
        """Close all connections; a later use opens new ones."""
        self.writer.dispose()
        self.reader.dispose()
        if "optuna" in self.__dict__:
            self.optuna.engine.dispose()


@contextlib.contextmanager
def _outages_told() -> Iterator[None]:
    """Turn errors after which a retry of the transaction may succeed into `UnavailableError`."""
    try:
        yield
    except sa.exc.DBAPIError as exc:
        if not is_outage(exc):
            raise
        way_on = f"; {WAY_BACK}" if is_damage(exc) else explain_tls(str(exc.orig))
        raise UnavailableError(f"the database is not available: {exc.orig}{way_on}") from exc
    except sa.exc.InvalidRequestError as exc:
        # SQLAlchemy's message for a connection lost between two statements, or while its pool
        # handed it out. Any other error of this class is a bug of ours.
        if "connection is closed" not in str(exc).lower():
            raise
        raise UnavailableError("the database is not available: the connection is lost") from exc


def _check_references_later(connection: sqlite3.Connection, _record: Any) -> None:
    connection.execute("PRAGMA foreign_keys=OFF")


def _check_references(connection: sa.Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        text = f"a row of the table {broken[0]} refers to one of {broken[2]} that is not there"
        raise sa.exc.IntegrityError("foreign_key_check", None, sqlite3.IntegrityError(text))


def open_optuna(url: str) -> RDBStorage:
    """Return Optuna's storage for `url`; missing tables are created."""
    from optuna.storages import RDBStorage

    kwargs: dict[str, Any] = {"connect_args": {"timeout": 60}}
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "postgresql":
        kwargs = {"pool_pre_ping": True}
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
    storage = RDBStorage(parsed.render_as_string(hide_password=False), engine_kwargs=kwargs)
    if parsed.get_backend_name() == "sqlite":
        harden_sqlite(storage.engine)
    return storage
