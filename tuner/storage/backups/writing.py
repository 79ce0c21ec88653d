"""Writes a backup: one consistent view of the database, taken while everything keeps running."""

from __future__ import annotations

import contextlib
import datetime
import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import optuna
import sqlalchemy as sa
from pydantic import BaseModel

from tuner.errors import SetupError, SpecError, StudyError, UnavailableError
from tuner.storage.backups.format import BackupColumn, Header, TableHead, Trailer, encode, kind_of
from tuner.storage.backups.numbering import read_next_ids
from tuner.storage.database import Storage
from tuner.storage.schema import data_tables, read_schema

#: Number of rows fetched at a time; only one for a table with code snapshots, each up to 16 MB.
BATCH = 500
#: A compromise between size and speed: level 9 takes three times as long and saves 2 %.
_LEVEL = 5

T = TypeVar("T")


def write_backup(
    storage: Storage,
    file: BinaryIO,
    *,
    release: str,
    begin: Callable[[Header], None] = lambda _header: None,
    advance: Callable[[int], None] = lambda _rows: None,
) -> tuple[Header, Trailer]:
    """Write the whole content of the database to `file`, as of one moment.

    Nothing waits for this: it reads in a transaction that takes no lock.

    Args:
        storage: may be of an older release.
        file: destination; it is not closed.
        release: of this Tuner.
        begin: called with the header before the rows are written.
        advance: called with the number of rows written since the last call.

    Raises:
        StudyError: the database holds values of a type that its tables do not support.
        UnavailableError: the database cannot be reached, or the file cannot be written.
    """
    try:
        with storage.read() as connection:
            if not storage.is_sqlite:
                # A slow file is no reason for PostgreSQL to end the transaction.
                connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            tables = data_tables(connection)
            header = _header(storage, connection, tables, release)
            begin(header)
            with _Stream(file) as stream:
                stream.write(header)
                for table in tables:
                    for rows in _rows(connection, table):
                        stream.write_rows(rows)
                        advance(len(rows))
                trailer = Trailer(rows=header.rows, sha256=stream.digest())
                stream.write(trailer)
    except (ValueError, TypeError, LookupError) as exc:
        raise StudyError(
            f"the database holds a value that its table does not allow ({exc}), and could not be "
            "restored; what is wrong, and what can be repaired: tuner db check"
        ) from exc
    return header, trailer


def write_new(
    path: Path,
    write: Callable[[BinaryIO], T],
    *,
    force: bool,
    verify: Callable[[Path], None] = lambda _path: None,
) -> T:
    """Have `write` fill a file that appears under its name, owner-only, once it is complete.

    Args:
        write: fills the file.
        force: overwrite an existing file.
        verify: checks what was written before the file appears; if it raises, no file is left.

    Raises:
        SpecError: it already exists, and `force` is false.
        SetupError: its folder is missing or cannot be written.
        UnavailableError: the disk is full or broken; no file is left.
    """
    _require_absent(path, force=force)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with _create(temporary, path) as file:
            result = write(file)
            file.flush()
            os.fsync(file.fileno())
        verify(temporary)
        _require_absent(path, force=force)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as exc:
        raise UnavailableError(
            f"{path}: cannot be written: {exc.strerror or exc}; there is no new backup"
        ) from exc
    finally:
        # This also holds if a signal arrives between two of these lines, unlike in a generator.
        temporary.unlink(missing_ok=True)
    return result


def _create(temporary: Path, path: Path) -> BinaryIO:
    try:
        temporary.unlink(missing_ok=True)
        return os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except OSError as exc:
        raise SetupError(f"{path}: cannot be written: {exc.strerror}") from exc


def _require_absent(path: Path, *, force: bool) -> None:
    if path.is_dir():
        raise SpecError(f"{path}: is a folder; name a file")
    if path.exists() and not force:
        raise SpecError(f"{path}: already exists; --force replaces it")


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _header(
    storage: Storage, connection: sa.Connection, tables: list[sa.Table], release: str
) -> Header:
    schema = read_schema(connection)
    heads = [
        TableHead(
            name=table.name,
            columns=[
                BackupColumn(name=column.name, kind=kind_of(column)) for column in table.columns
            ],
            rows=connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one(),
        )
        for table in tables
    ]
    return Header(
        release=release,
        optuna_release=optuna.__version__,
        revision=schema.tuner or "",
        optuna_revision=schema.optuna or "",
        database="sqlite" if storage.is_sqlite else "postgresql",
        made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        clock=storage.now(connection),
        tables=heads,
        next_ids=read_next_ids(connection),
    )


def _rows(connection: sa.Connection, table: sa.Table) -> Iterator[list[list[Any]]]:
    """Return the table's rows as JSON values, in key order, in batches."""
    kinds = [kind_of(column) for column in table.columns]
    size = 1 if "bytes" in kinds else BATCH
    query = sa.select(table).order_by(*table.primary_key)
    found = connection.execution_options(yield_per=size).execute(query)
    for rows in found.partitions():
        yield [
            [encode(kind, value) for kind, value in zip(kinds, row, strict=True)] for row in rows
        ]


class _Stream:
    """Lines on their way into a backup. Mutable: it keeps a hash of everything written."""

    def __init__(self, file: BinaryIO) -> None:
        self._hash = hashlib.sha256()
        self._gzip = gzip.GzipFile(
            filename="", fileobj=file, mode="wb", compresslevel=_LEVEL, mtime=0
        )

    def write(self, part: BaseModel) -> None:
        """Write the header or the trailer."""
        self._write(part.model_dump_json().encode() + b"\n")

    def write_rows(self, rows: list[list[Any]]) -> None:
        """Write rows, one per line."""
        lines = [json.dumps(row, separators=(",", ":"), allow_nan=False) for row in rows]
        self._write(("\n".join(lines) + "\n").encode())

    def digest(self) -> str:
        """Return the SHA-256 of everything written so far."""
        return self._hash.hexdigest()

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        self._gzip.write(data)

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._gzip.close()
            return
        # Whatever is left in the buffer of a failed backup does not matter.
        with contextlib.suppress(OSError, ValueError, zlib.error):
            self._gzip.close()
