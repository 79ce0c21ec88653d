"""Opening, creating and migrating the database, and transactions on it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tuner.errors import NotFoundError, SetupError, UnavailableError
from tuner.faultpoints import reach
from tuner.storage.engine import harden_sqlite, make_engine

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

VERSION_TABLE = "tuner_alembic_version"


class Storage:
    """One database, with an engine to write and one to read.

    Safe to use from several threads and, on the same database, from several processes.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.writer = make_engine(url, read_only=False)
        self.reader = make_engine(url, read_only=True)
        self.is_sqlite = self.writer.dialect.name == "sqlite"
        # SQLite has one writer at a time and no queue for the others; this is the queue.
        self._turn: contextlib.AbstractContextManager[Any] = (
            threading.RLock() if self.is_sqlite else contextlib.nullcontext()
        )

    @contextlib.contextmanager
    def begin(self, step: str = "") -> Iterator[sa.Connection]:
        """Open a writing transaction: committed at the end of the block, rolled back on an error.

        Args:
            step: of the coordinator, whose fault points are passed around the commit.

        Raises:
            UnavailableError: the database cannot be reached or is too busy.
        """
        try:
            with self._turn, self.writer.begin() as connection:
                yield connection
                reach(f"{step}.before-commit")
            reach(f"{step}.after-commit")
        except sa.exc.OperationalError as exc:
            raise UnavailableError(f"the database is not available: {exc.orig}") from exc

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open a reading transaction: one consistent view, which never blocks a writer.

        Raises:
            UnavailableError: the database cannot be reached.
        """
        try:
            with self.reader.connect() as connection:
                if not self.is_sqlite:
                    connection = connection.execution_options(
                        isolation_level="REPEATABLE READ", postgresql_readonly=True
                    )
                with connection.begin():
                    yield connection
        except sa.exc.OperationalError as exc:
            raise UnavailableError(f"the database is not available: {exc.orig}") from exc

    @cached_property
    def optuna(self) -> RDBStorage:
        """Optuna's view of the same database, on an engine of its own."""
        return open_optuna(self.url)

    def now(self, connection: sa.Connection) -> float:
        """Return the database's time, seconds since the epoch."""
        if self.is_sqlite:
            # The database's clock is this host's clock: the file is never shared over a network.
            return time.time()
        return float(
            connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one()
        )

    def close(self) -> None:
        """Close all connections; the object is not used afterwards."""
        self.writer.dispose()
        self.reader.dispose()
        if "optuna" in self.__dict__:
            self.optuna.engine.dispose()


def open_optuna(url: str) -> RDBStorage:
    """Return Optuna's storage for `url`; its tables are made when they are missing."""
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


def open_storage(url: str, *, create: bool) -> Storage:
    """Open the database at `url`.

    Args:
        url: SQLAlchemy URL (SQLite or PostgreSQL).
        create: make or migrate the tables first; otherwise the database must be up to date.

    Raises:
        NotFoundError: there is no database yet and `create` is false.
        SetupError: the database was made by a newer Tuner, or (without `create`) needs an upgrade.
        UnavailableError: the database cannot be reached.
    """
    path = _sqlite_path(url)
    if path is not None:
        if not create and not path.exists():
            raise NotFoundError(f"there is no database at {path} yet: nothing was ever run here")
        path.parent.mkdir(parents=True, exist_ok=True)
    storage = Storage(url)
    try:
        if create:
            upgrade(storage)
        else:
            _require_current(storage)
    except BaseException:
        storage.close()
        raise
    return storage


def upgrade(storage: Storage) -> tuple[str | None, str]:
    """Bring Optuna's tables and ours up to date; return our revision before and after.

    Raises:
        SetupError: the database was made by a newer Tuner.
    """
    from alembic import command

    _ = storage.optuna  # makes Optuna's tables, whose ids ours refer to
    with storage.begin() as connection:
        before = _revision(connection)
        _refuse_newer(before)
        config = _alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before, _head()


def _require_current(storage: Storage) -> None:
    with storage.read() as connection:
        revision = _revision(connection)
    _refuse_newer(revision)
    if revision is None:
        raise NotFoundError("the database holds no Tuner tables yet: nothing was ever run here")
    if revision != _head():
        raise SetupError("the database is of an older Tuner; run: tuner db upgrade")


def _refuse_newer(revision: str | None) -> None:
    if revision is not None and revision not in _known_revisions():
        raise SetupError(
            f"the database has revision {revision!r}, which this Tuner does not know: it was made "
            "by a newer release. Install that release, or use another TUNER_HOME"
        )


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    query = sa.text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant
    return connection.execute(query).scalar_one_or_none()


def _known_revisions() -> list[str]:
    folder = Path(__file__).parent / "migrations" / "versions"
    return sorted(path.stem for path in folder.glob("[0-9]*.py"))


def _head() -> str:
    return _known_revisions()[-1]


def _alembic_config() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _sqlite_path(url: str) -> Path | None:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        return None  # `make_engine` says what is wrong
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return None
    return Path(parsed.database)
