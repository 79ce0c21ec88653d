"""Finds values that their columns do not allow, and replaces them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from tuner.integrity.finding import Finding, FindingKind, Mend, writes
from tuner.integrity.raw import RawRow, raw_select
from tuner.integrity.values import Wrong, wrong_values

#: Stands for a value that nobody can restore.
_NONE = object()


def check_rows(
    connection: sa.Connection,
    table: sa.Table,
    where: sa.ColumnElement[bool],
    *,
    kind: FindingKind,
    study: str | None = None,
    instead: Mapping[str, Any] | None = None,
    skip: Collection[str] = (),
    drop: bool = False,
) -> Iterator[Finding]:
    """Yield the invalid values of some rows.

    Args:
        table: one of `tuner.storage.tables`.
        where: selects the rows.
        instead: values of columns after the repair, if other than their defaults.
        skip: columns that are not checked.
        drop: whether a row with an invalid value is removed.
    """
    query = raw_select(table).where(where).execution_options(yield_per=500)
    for row in connection.execute(query).mappings():
        values = dict(row)
        for wrong in wrong_values(table, {k: v for k, v in values.items() if k not in skip}):
            yield _finding(table, values, wrong, kind, study, instead or {}, drop=drop)


def _finding(
    table: sa.Table,
    row: RawRow,
    wrong: Wrong,
    kind: FindingKind,
    study: str | None,
    instead: Mapping[str, Any],
    *,
    drop: bool,
) -> Finding:
    at = sa.and_(*(_same(column, row[column.name]) for column in table.primary_key))
    name = ", ".join(str(row[column.name])[:60] for column in table.primary_key)
    text = f"{table.name} {name}: {wrong.text}"
    value = _instead(wrong.column, instead)
    mend: Mend | None = None
    does = "put a backup back (tuner db restore)"
    if drop:
        does = "the row is removed"
        mend = writes(table.delete().where(at))
    elif value is not _NONE:
        does = f"{wrong.column.name} is set to {value!r}"
        mend = writes(table.update().where(at).values({wrong.column.name: value}))
    elif study is not None:
        does = f"put a backup back (tuner db restore), or delete the study: tuner delete {study}"
    return Finding(kind=kind, study=study, text=text, does=does, mend=mend)


def _same(column: sa.Column[Any], value: Any) -> sa.ColumnElement[bool]:
    # Compared as stored: the value may be of another type than the column.
    raw = sa.type_coerce(column, sa.types.NullType())
    return raw == sa.literal(value, type_=sa.types.NullType())


def _instead(column: sa.Column[Any], given: Mapping[str, Any]) -> Any:
    if column.name in given:
        return given[column.name]
    if column.default is not None and column.default.is_scalar:
        return column.default.arg  # type: ignore[attr-defined]
    return None if column.nullable and not column.primary_key else _NONE
