"""Another tool's database, read with plain SQL in read-only transactions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from tuner.errors import SpecError, UnavailableError
from tuner.roots import open_named


class SqlDatabase:
    """A database; must be closed.

    Args:
        url: with a password, if necessary; it is stored nowhere else.
        locator: the same in a form that may be shown.

    Raises:
        SpecError: the URL cannot be used.
    """

    def __init__(self, url: sa.URL, locator: str) -> None:
        self.locator = locator
        self._engine = _make_engine(url, locator)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @cached_property
    def names(self) -> set[str]:
        """The names of its tables; raises as `read` does."""
        with self.read() as connection:
            return set(sa.inspect(connection).get_table_names())

    def reflect(self, names: Iterable[str]) -> dict[str, sa.Table]:
        """Return those of some tables that exist; raises as `read` does."""
        metadata = sa.MetaData()
        present = [name for name in names if name in self.names]
        with self.read() as connection:
            # Referenced tables are not needed, such as that of artifacts.
            metadata.reflect(connection, only=present, resolve_fks=False)
        return {name: metadata.tables[name] for name in present}

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open a read-only transaction.

        Raises:
            SpecError: it is a damaged file, or its content was not written by its tool.
            UnavailableError: the database cannot be reached or read.
        """
        try:
            with self._engine.connect() as connection, connection.begin():
                yield connection
        except sa.exc.DBAPIError as exc:
            reason = (str(exc.orig).splitlines() or ["the database failed"])[0]
            # A file that cannot be read today will not be readable tomorrow; a server may be.
            is_file = self._engine.dialect.name == "sqlite" and "locked" not in reason
            kind = SpecError if is_file else UnavailableError
            raise kind(f"{self.locator}: cannot be read: {reason}") from None
        except (ValueError, TypeError, LookupError, OverflowError) as exc:
            raise SpecError(f"{self.locator}: is damaged: {str(exc)[:200]}") from exc


def _make_engine(url: sa.URL, locator: str) -> sa.Engine:
    backend = url.get_backend_name()
    if backend == "sqlite":
        return sa.create_engine(_read_only_sqlite(url, locator), hide_parameters=True)
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    options: dict[str, Any] = {}
    if backend == "postgresql":
        options = {"execution_options": {"postgresql_readonly": True}}
        options["connect_args"] = {"connect_timeout": 10}
    try:
        return sa.create_engine(url, hide_parameters=True, **options)
    except ImportError as exc:
        raise SpecError(f"{locator}: needs the package {exc.name} to be installed") from None
    except (sa.exc.ArgumentError, ValueError, TypeError):
        raise SpecError(f"{locator}: cannot be used as a database URL") from None


def _read_only_sqlite(url: sa.URL, locator: str) -> str:
    path = Path(url.database or "").absolute()
    try:
        with open_named(path) as file:
            if file.read(16) != b"SQLite format 3\0":
                raise SpecError(f"{locator}: is not an SQLite database")
    except OSError as exc:
        raise SpecError(f"{locator}: cannot be read: {exc.strerror}") from None
    return f"sqlite:///file:{quote(str(path))}?mode=ro&uri=true"
