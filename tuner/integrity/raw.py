"""Reads rows as they are in the database, whatever they hold.

A damaged row cannot become a `Study` or a `Trial`: a number may be a string, and a state invalid.
So the checks read raw values by column, verify them, and continue with what the row is after the
repair.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from tuner.storage import tables
from tuner.trials.states import StudyState
from tuner.trials.store.studies import find_study_row, visible
from tuner.trials.study import Study

_s = tables.studies

#: Values of any kind by column name.
RawRow = Mapping[str, Any]


def raw_select(table: sa.Table) -> sa.Select[Any]:
    """Return a query for a table's values as stored, whatever they are."""
    untyped: list[Any] = [
        sa.type_coerce(column, sa.types.NullType()).label(column.name) for column in table.columns
    ]
    return sa.select(*untyped)


def raw_studies(connection: sa.Connection) -> list[RawRow]:
    """Return the rows of all studies, oldest first."""
    query = raw_select(_s).order_by(_s.c.id)
    return [dict(row) for row in connection.execute(query).mappings()]


def raw_study(connection: sa.Connection, study_id: Any) -> RawRow | None:
    """Return the row of a study; None if it does not exist (any more)."""
    row = connection.execute(raw_select(_s).where(_s.c.id == study_id)).mappings().first()
    return None if row is None else dict(row)


def visible_studies(connection: sa.Connection) -> list[RawRow]:
    """Return the rows of the studies that the caller may see, newest first."""
    query = raw_select(_s).where(visible()).order_by(_s.c.created.desc())
    return [dict(row) for row in connection.execute(query).mappings()]


def raw_named(connection: sa.Connection, study: str) -> RawRow:
    """Return the row of `project/study`.

    Raises:
        SpecError: that is not a name.
        NotFoundError: there is no such study.
    """
    return dict(find_study_row(connection, study)._mapping)


def raw_name(study: RawRow) -> str:
    """Return `project/name` of the row of a study."""
    return f"{study['project']}/{study['name']}"


def sound_study(study: RawRow) -> Study:
    """Return the study of a row whose values are all valid."""
    return Study(**{**study, "state": StudyState(study["state"])})
