"""Checks the database: which one, whether it is intact and writable, and its revision."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from tuner.errors import TunerError
from tuner.local.doctor.finding import DoctorFinding, failed, ok, warning
from tuner.settings import Settings
from tuner.storage import Storage
from tuner.storage.engines.file_check import WAY_BACK, in_words, problem_of
from tuner.storage.opening import sqlite_path
from tuner.storage.revisions import newest, refuse_newer
from tuner.storage.schema import read_schema

#: Seconds; slower answers delay every claim.
_SLOW_S = 0.5
#: Seconds for checking the file: a large one is checked only in part.
_CHECKED_S = 8.0
#: Seconds to wait while another writer holds an SQLite file.
_LOCKED_S = 3.0


def look_at_database(settings: Settings) -> Iterator[DoctorFinding]:
    """Yield the state of the database."""
    if settings.api_url and not settings.names_database:
        yield ok("database", "that of the server; type tuner doctor on its machine to look at it")
        return
    path = sqlite_path(settings.database_url)
    if path is None:
        yield from _look_inside(settings.database_url, _shown(settings.database_url))
        return
    if not path.exists():
        yield ok("database", f"{path} does not exist yet; the first study makes it")
        return
    if path.stat().st_uid != os.geteuid():
        # Opening it would create files beside it that its owner could not write to.
        text = f"{path} belongs to another account: not looked into"
        yield warning("database", text, "type tuner doctor as that account")
        return
    problem = _damage(path)
    if problem is not None:
        yield failed("database", f"{path} {problem[0]}", problem[1])
        return
    yield from _look_inside(settings.database_url, f"SQLite {sqlite3.sqlite_version}, {path}")


def _damage(path: Path) -> tuple[str, str] | None:
    """Return what is wrong with an SQLite file, and what to do; None if it is intact."""
    try:
        found = problem_of(path) or _quick_check(path)
    except sqlite3.OperationalError as exc:
        # The write test reports the former; the latter means a large file, intact so far.
        is_whole = "locked" in str(exc) or "interrupted" in str(exc)
        found = "" if is_whole else f"cannot be read: {exc}"
    except sqlite3.DatabaseError as exc:
        found = in_words(exc)
    return (found, WAY_BACK) if found else None


def _quick_check(path: Path) -> str:
    """Return the first fault that SQLite finds in a file, without creating or changing anything."""
    # In a file: URL, where ? and # would not be part of the name.
    url = f"file:{quote(str(path))}?mode=ro"
    with contextlib.closing(sqlite3.connect(url, uri=True, timeout=_LOCKED_S)) as connection:
        until = time.monotonic() + _CHECKED_S
        connection.set_progress_handler(lambda: time.monotonic() > until, 10_000)
        found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    found = found.replace("*** in database main ***", "").strip()
    return "" if found == "ok" else in_words(found)


def _look_inside(url: str, shown: str) -> Iterator[DoctorFinding]:
    storage = Storage(url)
    with contextlib.closing(storage):
        started = time.monotonic()
        with storage.read() as connection:
            if not storage.is_sqlite:
                version = connection.exec_driver_sql("SHOW server_version").scalar_one()
                shown = f"PostgreSQL {version}, {shown}"
            schema = read_schema(connection)
            skew = storage.now(connection) - time.time()
        took = time.monotonic() - started
        yield from _revision(schema.tuner, newest().tuner, schema, shown)
        yield from _writing(storage, took)
        if abs(skew) > 2.0:
            yield warning(
                "clocks",
                f"the database's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} "
                "this host's",
                "set both by NTP: times that are shown are those of either",
            )


def _revision(
    found: str | None, wanted: str | None, schema: object, shown: str
) -> Iterator[DoctorFinding]:
    if found is None:
        yield ok("database", f"{shown}: holds no studies yet")
        return
    try:
        refuse_newer(schema)  # type: ignore[arg-type]
    except TunerError as exc:
        yield failed("database", str(exc), "")
        return
    if found != wanted:
        yield failed(
            "database",
            f"{shown}: revision {found}, and this release works with {wanted}",
            "tuner db upgrade (after: tuner db backup FILE)",
        )
        return
    yield ok("database", f"{shown}: revision {found}")


def look_at_studies(settings: Settings) -> Iterator[DoctorFinding]:
    """Yield contradictions in the rows; `tuner db check` lists them one by one."""
    from tuner.integrity.repair import check

    path = sqlite_path(settings.database_url)
    is_elsewhere = settings.api_url is not None and not settings.names_database
    if is_elsewhere or (path is not None and not _is_ours(path)):
        return
    with contextlib.closing(Storage(settings.database_url)) as storage:
        with storage.read() as connection:
            if read_schema(connection).tuner != newest().tuner:
                return
        found = check(storage)
    if found:
        some = "; ".join(sorted({item.text for item in found})[:2])
        text = f"{len(found)} contradictions in the database: {some}"
        yield warning("studies", text, "tuner db check")


def _is_ours(path: Path) -> bool:
    return path.is_file() and path.stat().st_uid == os.geteuid() and _damage(path) is None


def _writing(storage: Storage, read_s: float) -> Iterator[DoctorFinding]:
    """Yield whether a write succeeds; it is rolled back."""
    started = time.monotonic()
    try:
        with _patient(storage).begin() as connection:
            if storage.is_sqlite:
                # This needs a page from the disk, so a full disk is noticed here.
                connection.exec_driver_sql("CREATE TABLE tuner_doctor (x)")
                connection.exec_driver_sql("INSERT INTO tuner_doctor VALUES (zeroblob(65536))")
            else:
                connection.exec_driver_sql(
                    "CREATE TEMPORARY TABLE tuner_doctor (x int) ON COMMIT DROP"
                )
            connection.rollback()
    except sa.exc.DBAPIError as exc:
        yield failed("database", f"takes no writes: {exc.orig}", _advice(str(exc.orig)))
        return
    took = max(read_s, time.monotonic() - started)
    if took > _SLOW_S:
        yield warning(
            "database",
            f"answers slowly: {took:.1f} s for one transaction",
            "see what else its disk or host does; a home belongs on a local disk",
        )


def _patient(storage: Storage) -> sa.Engine:
    """Return an engine that waits less long for others than a service does."""
    if not storage.is_sqlite:
        return storage.writer
    engine = sa.create_engine(
        storage.url, connect_args={"timeout": _LOCKED_S}, hide_parameters=True
    )

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _advice(said: str) -> str:
    if "locked" in said:
        return "another program holds it: end that (fuser FILE names it); nobody else may open it"
    if "full" in said:
        return "its disk is full: make room there; nothing that was stored is lost"
    if "readonly" in said or "read-only" in said:
        return "let your account write the file and its folder"
    return "see to what that says; tuner db backup FILE still works where it can be read"


def _shown(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return "TUNER_DATABASE_URL"
