"""How far the studies are, read from the database past everything that is broken."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from tests.chaos.rows import ENDED
from tests.chaos.stack import Stack
from tests.chaos.studies import PROJECT, PROJECTS
from tuner.storage import tables


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Numbers over all studies; `open` names the studies that have not ended, with their state."""

    ended: int
    attempts: int
    lost: int
    leased: int
    unfiled: int
    open: tuple[str, ...]


def read_progress(stack: Stack) -> Progress | None:
    """Return where the studies stand; None while the database is down."""
    s, t, a = tables.studies, tables.trials, tables.attempts

    def count(table: sa.Table, *where: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
        return sa.select(sa.func.count()).select_from(table).where(*where).scalar_subquery()

    mine = sa.select(s.c.id).where(s.c.project.in_(PROJECTS))
    # What trials have planted may keep their own runs from being filed.
    filed = sa.select(s.c.id).where(s.c.project == PROJECT)
    closed = ("finished", "failed", "cancelled")
    query = sa.select(
        count(t, t.c.state.in_(ENDED), t.c.study_id.in_(mine)).label("ended"),
        count(a).label("attempts"),
        count(a, a.c.cause == "lost").label("lost"),
        count(a, a.c.state == "leased").label("leased"),
        count(a, a.c.filed.is_(False), a.c.claimed.is_not(None), a.c.study_id.in_(filed)).label(
            "unfiled"
        ),
    )
    try:
        row = stack.select(query)[0]
        studies = stack.select(sa.select(s.c.name, s.c.state, s.c.reason).where(s.c.id.in_(mine)))
    except sa.exc.DBAPIError:
        return None
    still = [f"{x.name} {x.state} {x.reason}".rstrip() for x in studies if x.state not in closed]
    return Progress(**row._mapping, open=tuple(still))
