"""Restores a backup into a database: first checked completely, then all of it or nothing.

The backup is first loaded into a separate SQLite database, in the schema in which it was made, and
migrated there. Only what passes through this unharmed is written to the target database.
"""

from __future__ import annotations

import contextlib
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tuner.errors import SetupError, StudyError
from tuner.storage import tables
from tuner.storage.backups.format import Header, kind_of
from tuner.storage.backups.numbering import read_next_ids, set_next_ids
from tuner.storage.backups.occupancy import require_free, wait_until_free
from tuner.storage.backups.reading import BackupFile
from tuner.storage.backups.writing import BATCH
from tuner.storage.database import Storage
from tuner.storage.revisions import Schema, refuse_newer
from tuner.storage.schema import data_tables, drop, migrate, present

Told = Callable[[int], None]

#: Rows that must have a counterpart although the tables declare no foreign key.
_PARTNERS = (
    (tables.studies.c.optuna_id, "studies", "study_id"),
    (tables.trials.c.optuna_id, "trials", "trial_id"),
)


@contextlib.contextmanager
def staged(backup: BackupFile, folder: Path, *, advance: Told) -> Iterator[Storage]:
    """Load the backup into a temporary database, migrated to the newest schema, and check it.

    Args:
        backup: of which only the header has been read.
        folder: with enough temporary space for a database as large as the backup's content.
        advance: called with the number of rows read since the last call.

    Raises:
        SpecError: the backup is damaged or contradicts itself.
        SetupError: it was made by a newer release.
        UnavailableError: there is not enough room in `folder`.
    """
    header = backup.header
    schema = Schema(tuner=header.revision, optuna=header.optuna_revision)
    refuse_newer(schema)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=folder) as inner:
        storage = Storage(f"sqlite:///{inner}/staged.db")
        try:
            try:
                with storage.change_schema() as connection:
                    migrate(connection, schema)
                    _load(connection, backup, advance)
                    migrate(connection)
                    _check_partners(connection, backup)
            except sa.exc.IntegrityError as exc:
                backup.refuse(f"contradicts itself: {exc.orig}")
            yield storage
        finally:
            storage.close()


def replace(
    storage: Storage,
    staging: Storage,
    header: Header,
    *,
    force: bool,
    finish: Callable[[sa.Connection, float], None],
    advance: Told,
) -> None:
    """Replace the content of the database with what was staged, in one transaction.

    A previous coordinator is fenced off, and no number that was ever assigned is assigned again.

    Args:
        storage: of any release, or empty.
        force: proceed even if the database holds studies.
        finish: called in the transaction with the database's time, to adjust the rows.
        advance: called with the number of rows written since the last call.

    Raises:
        StudyError: the database holds studies, and `force` is false.
        UnavailableError: a service uses the database, or it cannot be reached.
        SetupError: the database refuses a row, or other people's tables depend on it.
    """
    wait_until_free(storage)
    try:
        with storage.change_schema() as connection:
            now = storage.now(connection)
            require_free(connection, now)
            if not force:
                _require_empty(connection)
            epoch, next_ids = _highest(connection, header)
            drop(connection)
            migrate(connection)
            _copy(staging, connection, advance)
            set_next_ids(connection, next_ids)
            _fence(connection, epoch, min(header.clock, now))
            finish(connection, now)
    except (sa.exc.IntegrityError, sa.exc.DataError, sa.exc.ProgrammingError) as exc:
        raise SetupError(f"the database refuses the backup and is as it was: {exc.orig}") from exc
    except sa.exc.InternalError as exc:
        raise SetupError(f"the tables cannot be replaced: {exc.orig}") from exc


def _load(connection: sa.Connection, backup: BackupFile, advance: Told) -> None:
    """Insert the rows of the file into tables of the file's own schema revision."""
    found = {table.name: table for table in data_tables(connection)}
    for head in backup.header.tables:
        own = [(c.name, kind_of(c)) for c in found[head.name].columns] if head.name in found else []
        if not own or sorted(own) != sorted((c.name, c.kind) for c in head.columns):
            backup.refuse(
                f"its table {head.name} has other columns than revision {backup.header.revision}"
            )
    names = [head.name for head in backup.header.tables]
    if missing := sorted(set(found) - set(names)):
        backup.refuse(f"lacks the table {', '.join(missing)}")
    if len(names) > len(found):
        backup.refuse("has a table twice")
    for head, rows in groupby(backup.rows(), key=lambda pair: pair[0]):
        keys = [column.name for column in head.columns]
        for batch in _batches(row for _, row in rows):
            connection.execute(
                found[head.name].insert(), [dict(zip(keys, row, strict=True)) for row in batch]
            )
            advance(len(batch))


def _batches(rows: Iterator[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    """Collect rows into batches, with few rows if they are large."""
    batch: list[Sequence[Any]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += 1 + sum(len(value) for value in row if isinstance(value, bytes)) // 20_000
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _check_partners(connection: sa.Connection, backup: BackupFile) -> None:
    found = {table.name: table for table in data_tables(connection)}
    for column, table, key in _PARTNERS:
        there = found[table].c[key]
        lonely = connection.execute(
            sa.select(column).where(column.not_in(sa.select(there))).limit(1)
        ).first()
        if lonely is not None:
            backup.refuse(
                f"contradicts itself: {column.table.name} refers to {key} {lonely[0]} of the table "
                f"{table}, which is not there"
            )


def _require_empty(connection: sa.Connection) -> None:
    names = present(connection)
    for name in ("tuner_studies", "studies"):
        if name in names:
            count = connection.execute(
                sa.select(sa.func.count()).select_from(sa.table(name))
            ).scalar_one()
            if count:
                whose = "" if name == "tuner_studies" else " of Optuna's, which Tuner did not make"
                raise StudyError(
                    f"the database holds {count} studies{whose}; restore into an empty one, or "
                    "replace everything in this one with --force"
                )


def _highest(connection: sa.Connection, header: Header) -> tuple[int, dict[str, int]]:
    """Return the last epoch and the next numbers that the target database itself knows."""
    names = present(connection)
    epoch = 0
    if tables.leader.name in names:
        epoch = connection.execute(sa.select(sa.func.max(tables.leader.c.epoch))).scalar() or 0
    own = read_next_ids(connection) if names else {}
    both = {*own, *header.next_ids}
    return epoch, {name: max(own.get(name, 1), header.next_ids.get(name, 1)) for name in both}


def _copy(staging: Storage, connection: sa.Connection, advance: Told) -> None:
    """Insert all staged rows into empty tables."""
    with staging.read() as source:
        here = {table.name: table for table in data_tables(connection)}
        for table in data_tables(source):
            query = sa.select(table).execution_options(yield_per=BATCH)
            if any(kind_of(column) == "bytes" for column in table.columns):
                query = query.execution_options(yield_per=1)
            for rows in source.execute(query).mappings().partitions():
                connection.execute(here[table.name].insert(), [dict(row) for row in rows])
                advance(len(rows))


def _fence(connection: sa.Connection, epoch: int, since: float) -> None:
    """Give the lead to nobody, with an epoch that no previous coordinator has had.

    Args:
        epoch: the highest that the database has had so far.
        since: the latest time at which a coordinator may have been running: what follows does not
            count as running time of the studies.
    """
    table = tables.leader
    row = connection.execute(sa.select(table).where(table.c.id == 1)).first()
    if row is not None:
        epoch, since = max(epoch, row.epoch), min(since, row.lease_until)
    connection.execute(table.delete())
    connection.execute(
        table.insert().values(
            id=1,
            # No process of any host, so that a starting service does not take it for one that died
            # leading.
            holder=f"restore-0-{uuid.uuid4().hex[:8]}",
            epoch=epoch + 1,
            lease_until=since,
        )
    )
