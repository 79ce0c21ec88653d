"""Checks a whole database: the file, every study, and rows that belong to no study."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from tuner.integrity.columns import check_rows
from tuner.integrity.finding import Finding, writes
from tuner.integrity.raw import RawRow, raw_name, raw_select, raw_studies
from tuner.integrity.study import check_study
from tuner.integrity.values import wrong_values
from tuner.storage import optuna_check, tables

_s, _t, _w, _h = tables.studies, tables.trials, tables.workers, tables.history

#: Tables whose rows belong to a study.
_OF_STUDIES = (
    tables.trials,
    tables.attempts,
    tables.reports,
    tables.events,
    tables.artifacts,
)
_OF_HISTORY = (tables.history_trials, tables.history_rejected)
#: Maximum number of faults reported for an SQLite file.
_MOST = 5


def check_database(
    connection: sa.Connection, now: float, *, study: str | None = None
) -> Iterator[Finding]:
    """Yield all faults.

    Args:
        connection: provides one consistent view of a database with the newest schema.
        study: check only this study; None: all of them, and everything else.
    """
    if study is None:
        damaged = list(_check_file(connection))
        yield from damaged
        if damaged:
            return  # whatever else is found would be of the same damage
    for row in raw_studies(connection):
        if study in (None, raw_name(row)):
            yield from check_study(connection, row, now)
    if study is None:
        yield from check_others(connection)


def _check_file(connection: sa.Connection) -> Iterator[Finding]:
    if connection.dialect.name != "sqlite":
        return
    said = connection.exec_driver_sql(f"PRAGMA quick_check({_MOST})").scalars().all()
    for line in said:
        if line != "ok":
            yield Finding(
                kind="file",
                text=f"the database file is damaged: {line}",
                does="end the service and put a backup back: tuner db restore FILE --force",
            )


def _check_dangling(connection: sa.Connection) -> Iterator[Finding]:
    for table in _OF_STUDIES:
        mine = table.c.study_id
        yield from _lonely(
            connection, table, sa.and_(mine.is_not(None), mine.not_in(sa.select(_s.c.id))), "study"
        )
    for table in _OF_HISTORY:
        gone = table.c.history_id.not_in(sa.select(_h.c.id))
        yield from _lonely(connection, table, gone, "import")
    counts = optuna_check.orphans(connection)
    if counts:
        said = ", ".join(f"{count} of {name}" for name, count in counts.items())
        yield Finding(
            kind="dangling",
            text=f"rows of Optuna's tables belong to no study or trial: {said}",
            does="they are removed",
            mend=lambda connection, _now: optuna_check.drop_orphans(connection),
        )


def _lonely(
    connection: sa.Connection, table: sa.Table, where: sa.ColumnElement[bool], what: str
) -> Iterator[Finding]:
    query = sa.select(sa.func.count()).select_from(table).where(where)
    count = connection.execute(query).scalar_one()
    if count:
        yield Finding(
            kind="dangling",
            text=f"{count} rows of {table.name} belong to no {what}",
            does="they are removed",
            mend=writes(table.delete().where(where)),
        )


def check_others(connection: sa.Connection) -> Iterator[Finding]:
    """Yield the faults in rows that belong to no study of ours, or to nothing at all."""
    yield from _check_dangling(connection)
    every = sa.true()
    yield from check_rows(connection, _w, every, kind="worker", drop=True)
    yield from check_rows(connection, tables.leader, every, kind="value", drop=True)
    yield from check_rows(connection, tables.events, every, kind="value", drop=True)
    yield from check_rows(connection, tables.history_trials, every, kind="history", drop=True)
    for row in connection.execute(raw_select(_h)).mappings():
        yield from _check_import(dict(row))


def _check_import(row: RawRow) -> Iterator[Finding]:
    for wrong in wrong_values(_h, row):
        yield Finding(
            kind="history",
            text=f"the imported study {str(row['locator'])[:100]}: {wrong.text}",
            does="it is removed; add it again: tuner history add PATH",
            mend=lambda connection, _now: _drop_import(connection, row["id"]),
        )
        return


def _drop_import(connection: sa.Connection, history_id: int) -> None:
    for table in _OF_HISTORY:
        connection.execute(table.delete().where(table.c.history_id == history_id))
    connection.execute(_h.delete().where(_h.c.id == history_id))
