"""Durations of trials, for samplers to read: written once, when their results are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from tuner.samplers.marks import OVERDUE
from tuner.storage import tables
from tuner.trials.trial import Trial

Took = dict[str, float | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reporting:
    """The steps at which an attempt reported numbers, and the time from the first to the last."""

    id: str
    first: int
    last: int
    took_s: float


def read_durations(
    connection: sa.Connection, study_id: int, trials: Sequence[Trial]
) -> dict[int, Took]:
    """Return durations of ended trials by number, in the form described at `TOOK_ATTR`.

    An attempt that continued from a checkpoint is counted as if it had also trained the epochs
    before it at its own speed. Trials that failed for a cause other than their time limit, or whose
    duration is unknown, are left out.

    Args:
        trials: ended trials of the study.
    """
    timed = [trial for trial in trials if trial.duration_s and trial.cause in (None, OVERDUE)]
    if not timed:
        return {}
    reported = _read_reported(connection, study_id, [trial.number for trial in timed])
    found = {trial.number: _took(trial, reported.get(trial.number, [])) for trial in timed}
    return {number: took for number, took in found.items() if took is not None}


def _took(trial: Trial, attempts: Sequence[_Reporting]) -> Took | None:
    seconds = float(trial.duration_s or 0.0)
    # A time limit applies to each attempt: earlier attempts do not count.
    if trial.cause == OVERDUE:
        return {"seconds": seconds, "reporting": None}
    own = [attempt for attempt in attempts if attempt.id == trial.outcome_attempt]
    if not own:
        return None if attempts else {"seconds": seconds, "reporting": None}
    first = min(attempt.first for attempt in attempts)
    steps = own[0].last - own[0].first
    step_s = own[0].took_s / steps if steps else None
    skipped = own[0].first - first
    if step_s is None:
        return None if skipped else {"seconds": seconds, "reporting": None}
    return {
        "seconds": round(seconds + skipped * step_s, 3),
        "reporting": round((steps + skipped) * step_s, 3),
    }


def _read_reported(
    connection: sa.Connection, study_id: int, numbers: Sequence[int]
) -> dict[int, list[_Reporting]]:
    """Return the attempts that reported numbers, by trial number."""
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
    found: dict[int, list[_Reporting]] = {}
    for number, attempt, first, last, took in connection.execute(query):
        reporting = _Reporting(id=attempt, first=first, last=last, took_s=took)
        found.setdefault(number, []).append(reporting)
    return found
