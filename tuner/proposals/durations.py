"""How long trials took, for samplers to read: written once, when their results are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tuner.samplers.marks import OVERDUE
from tuner.storage import tables

Took = dict[str, float | None]


def read_durations(
    connection: sa.Connection, study_id: int, rows: Sequence[sa.Row[Any]]
) -> dict[int, Took]:
    """Return how long ended trials took, by number: `TOOK_ATTR` says what it holds.

    An attempt that went on from a checkpoint is counted as if it had made the epochs before it at
    its own speed. What failed for another cause than its time limit, or whose time is not known,
    is left out.

    Args:
        connection: to the database.
        study_id: of the study.
        rows: of its trials.
    """
    timed = [row for row in rows if row.duration_s and row.cause in (None, OVERDUE)]
    if not timed:
        return {}
    reported = _read_reported(connection, study_id, [row.number for row in timed])
    found = {row.number: _took(row, reported.get(row.number, [])) for row in timed}
    return {number: took for number, took in found.items() if took is not None}


def _took(row: sa.Row[Any], attempts: Sequence[Any]) -> Took | None:
    seconds = float(row.duration_s)
    # A limit is one for each attempt: what earlier ones did has no part in it.
    if row.cause == OVERDUE:
        return {"seconds": seconds, "reporting": None}
    own = [attempt for attempt in attempts if attempt.id == row.outcome_attempt]
    first = min((attempt.first for attempt in attempts), default=None)
    if not own:
        return {"seconds": seconds, "reporting": None} if first is None else None
    steps = own[0].last - own[0].first
    step_s = own[0].took / steps if steps else None
    skipped = own[0].first - first
    if step_s is None:
        return None if skipped else {"seconds": seconds, "reporting": None}
    return {
        "seconds": round(seconds + skipped * step_s, 3),
        "reporting": round((steps + skipped) * step_s, 3),
    }


def _read_reported(
    connection: sa.Connection, study_id: int, numbers: Sequence[int]
) -> dict[int, list[Any]]:
    """Return first and last step of each attempt that reported numbers, and the time between."""
    r, a = tables.reports, tables.attempts
    query = (
        sa.select(
            r.c.number,
            a.c.id,
            sa.func.min(r.c.step).label("first"),
            sa.func.max(r.c.step).label("last"),
            (sa.func.max(r.c.time) - sa.func.min(r.c.time)).label("took"),
        )
        .join(
            a,
            sa.and_(a.c.study_id == r.c.study_id, a.c.number == r.c.number, a.c.no == r.c.no),
        )
        .where(r.c.study_id == study_id, r.c.number.in_(numbers), r.c.value.is_not(None))
        .group_by(r.c.number, a.c.id)
    )
    found: dict[int, list[Any]] = {}
    for row in connection.execute(query):
        found.setdefault(row.number, []).append(row)
    return found
