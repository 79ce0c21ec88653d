"""Opens a database: creates it, migrates it, or refuses it if it does not fit this release."""

from __future__ import annotations

import logging
from pathlib import Path

import sqlalchemy as sa

from tuner.errors import NotFoundError, SetupError, UnavailableError
from tuner.storage.backups.occupancy import require_free, wait_until_free
from tuner.storage.database import Storage
from tuner.storage.engines.engine import BUSY_TIMEOUT_S
from tuner.storage.engines.file_check import damaged, in_words, problem_of, require_file
from tuner.storage.engines.outage import is_damage
from tuner.storage.revisions import Schema, newest, refuse_newer
from tuner.storage.schema import migrate, read_schema

logger = logging.getLogger(__name__)

_NOTHING_YET = "nothing was ever run here; start: tuner run SPEC"


def open_storage(
    url: str, *, create: bool, current: bool = True, patience_s: float = BUSY_TIMEOUT_S
) -> Storage:
    """Open the database at `url`.

    Args:
        url: SQLAlchemy URL (SQLite or PostgreSQL).
        create: create or migrate the tables first.
        current: without `create`, refuse a database that needs an upgrade.
        patience_s: maximum seconds that a write waits while others hold an SQLite database.

    Raises:
        NotFoundError: there is no database yet and `create` is false.
        SetupError: the database was made by a newer Tuner or Optuna, or needs an upgrade; or its
            file is damaged, or not one of ours.
        UnavailableError: the database cannot be reached, or it needs an upgrade while a service
            uses it.
    """
    path = sqlite_path(url)
    if path is not None and not create and not path.exists():
        raise NotFoundError(f"there is no database at {path} yet: {_NOTHING_YET}")
    storage = open_unchecked(url, patience_s=patience_s)
    try:
        if create:
            upgrade(storage)
        else:
            _require_tables(storage, current=current)
    except BaseException:
        storage.close()
        raise
    return storage


def damage_of(path: Path) -> str:
    """Return why a file is not a readable database; empty if it is one, or does not exist."""
    problem = problem_of(path)
    if problem or not path.exists():
        return problem
    storage = Storage(f"sqlite:///{path}")
    try:
        with storage.read() as connection:
            read_schema(connection)
            said = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    except UnavailableError as exc:
        if not is_damage(exc.__cause__):
            return ""
        said = getattr(exc.__cause__, "orig", exc)
    finally:
        storage.close()
    return "" if said == "ok" else in_words(said)


def open_unchecked(url: str, *, patience_s: float = BUSY_TIMEOUT_S) -> Storage:
    """Open the database without any checks; an SQLite file is created on first use.

    Raises:
        SetupError: its file is damaged, or not one of ours.
    """
    path = sqlite_path(url)
    if path is not None:
        require_file(path)
        path.parent.mkdir(parents=True, exist_ok=True)
    return Storage(url, patience_s=patience_s)


def upgrade(storage: Storage) -> tuple[Schema, Schema]:
    """Bring all tables up to date in one transaction; return the schemas before and after.

    A database that is up to date already is not written to.

    Raises:
        SetupError: the database was made by a newer Tuner or Optuna; or a migration failed, and
            nothing has changed.
        UnavailableError: it cannot be reached; or a service of another release uses it.
    """
    before = _schema_of(storage)
    if before == newest():
        return before, before
    if before.tuner is not None:
        wait_until_free(storage)
    with storage.change_schema() as connection:
        before = read_schema(connection)
        refuse_newer(before)
        if before != newest() and before.tuner is not None:
            require_free(connection, storage.now(connection))
        try:
            migrate(connection)
        except sa.exc.DBAPIError as exc:
            raise SetupError(
                f"the upgrade from revision {before.tuner} to {newest().tuner} failed, and the "
                f"database is as it was: {exc.orig}"
            ) from exc
    if before != newest():
        logger.info("database upgraded", extra={"before": before.tuner, "after": newest().tuner})
    return before, newest()


def _schema_of(storage: Storage) -> Schema:
    try:
        with storage.read() as connection:
            schema = read_schema(connection)
    except UnavailableError as exc:
        path = sqlite_path(storage.url)
        if path is None or not is_damage(exc.__cause__):
            raise
        raise damaged(path, in_words(getattr(exc.__cause__, "orig", exc))) from exc
    refuse_newer(schema)
    return schema


def _require_tables(storage: Storage, *, current: bool) -> None:
    schema, goal = _schema_of(storage), newest()
    if schema.tuner is None:
        raise NotFoundError(f"the database holds no Tuner tables yet: {_NOTHING_YET}")
    if not current or schema == goal:
        return
    if schema.tuner != goal.tuner:
        raise SetupError("the database is of an older Tuner; run: tuner db upgrade")
    raise SetupError(
        f"Optuna's tables in the database are of an older Optuna (revision {schema.optuna}, here "
        f"{goal.optuna}); run: tuner db upgrade"
    )


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite database, None for any other URL."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        return None  # `make_engine` says what is wrong
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return None
    return Path(parsed.database)
