"""Finding studies and trials by the names that users give."""

from __future__ import annotations

import re
from typing import Any, Literal

import sqlalchemy as sa

from tuner.errors import NotFoundError, SpecError
from tuner.identity import caller
from tuner.protocol import NAME_PATTERN
from tuner.space.problem import did_you_mean
from tuner.storage import tables

#: So many studies are named where one is not found.
_NEWEST = 5

_STUDY = re.compile(f"{NAME_PATTERN}/{NAME_PATTERN}")


def find_study(
    connection: sa.Connection, study: str, *, hold: Literal["change", "delete"] | None = None
) -> sa.Row[Any]:
    """Return the row of `project/study`.

    Args:
        connection: of the caller's transaction.
        study: its name.
        hold: lock it until the transaction ends (`tuner.trials.locking` has the order), to
            change it, or to delete it: then nobody adds a trial or an attempt meanwhile.

    Raises:
        SpecError: the name is malformed.
        NotFoundError: there is no such study.
    """
    if not _STUDY.fullmatch(study):
        raise SpecError(f"{study[:100]!r} is not a study; write project/study")
    project, name = study.split("/")
    s = tables.studies
    query = sa.select(s).where(s.c.project == project, s.c.name == name)
    if hold is not None:
        query = query.with_for_update(key_share=hold == "change")
    row = connection.execute(query).first()
    if row is None:
        raise NotFoundError(f"there is no study {study}; {_hint(connection, study)}")
    return row


def visible() -> sa.ColumnElement[bool]:
    """Return the condition for studies of the caller's projects."""
    projects = caller().projects
    return sa.true() if projects is None else tables.studies.c.project.in_(projects)


def _hint(connection: sa.Connection, study: str) -> str:
    """Return which study may have been meant, and the newest ones."""
    s = tables.studies
    query = sa.select(s.c.project, s.c.name).where(visible()).order_by(s.c.created.desc())
    rows = connection.execute(query).all()
    known = [f"{row.project}/{row.name}" for row in rows]
    # The same name in another project, before what is only spelt alike.
    same = [name for name in known if name.partition("/")[2] == study.partition("/")[2]]
    near = did_you_mean(same[0] if same else study, known)
    return f"{near}newest: {', '.join(known[:_NEWEST]) or 'none yet'}"


def find_trial(connection: sa.Connection, study: sa.Row[Any], number: int) -> sa.Row[Any]:
    """Return the row of a trial.

    Raises:
        NotFoundError: the study has no such trial.
    """
    t = tables.trials
    row = connection.execute(
        sa.select(t).where(t.c.study_id == study.id, t.c.number == number)
    ).first()
    if row is None:
        name = f"{study.project}/{study.name}"
        raise NotFoundError(f"{name} has no trial {number}; it has {study.next_number} trials")
    return row
