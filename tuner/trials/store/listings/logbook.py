"""The history of studies and trials for display: attempts, reports and events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.storage import tables
from tuner.storage.curves import stored_value
from tuner.trials.attempt import Attempt

_a, _r, _e = tables.attempts, tables.reports, tables.events
_ATTEMPTS = (
    sa.select(_a)
    .where(_a.c.study_id == sa.bindparam("of_study"), _a.c.number == sa.bindparam("of_number"))
    .order_by(_a.c.no)
)
_REPORTS = (
    sa.select(_r)
    .where(_r.c.study_id == sa.bindparam("of_study"), _r.c.number == sa.bindparam("of_number"))
    .order_by(_r.c.no, _r.c.step)
)
_EVENTS: sa.Select[Any] = sa.select(
    _e.c.id, _e.c.time, _e.c.number, _e.c.attempt, _e.c.kind, _e.c.text, _e.c.actor
).order_by(_e.c.id)
_EVENTS_OF_TRIAL = _EVENTS.where(
    _e.c.study_id == sa.bindparam("of_study"), _e.c.number == sa.bindparam("of_number")
)
_EVENTS_AFTER = _EVENTS.where(
    _e.c.study_id == sa.bindparam("of_study"), _e.c.id > sa.bindparam("after")
).limit(sa.bindparam("most"))
_RUN_DIR = (
    sa.select(_a.c.run_dir)
    .where(
        _a.c.study_id == sa.bindparam("of_study"),
        _a.c.number == sa.bindparam("of_number"),
        _a.c.claimed.is_not(None),
    )
    .order_by(_a.c.no.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class TrialReport:
    """A report of an attempt."""

    no: int
    step: int
    #: None: it was NaN or infinite.
    value: float | None
    time: float


@dataclass(frozen=True, slots=True)
class StudyEvent:
    """Something that happened to a study."""

    id: int
    time: float
    number: int | None
    attempt: str | None
    kind: str
    text: str
    actor: str | None


def attempts_of(connection: sa.Connection, study_id: int, number: int) -> list[Attempt]:
    """Return the attempts of a trial, oldest first.

    Raises:
        ValueError: one has an unknown state.
    """
    at = {"of_study": study_id, "of_number": number}
    return [Attempt.of(row) for row in connection.execute(_ATTEMPTS, at)]


def reports_of(connection: sa.Connection, study_id: int, number: int) -> list[TrialReport]:
    """Return the reports of a trial, by attempt and step."""
    rows = connection.execute(_REPORTS, {"of_study": study_id, "of_number": number})
    return [
        TrialReport(row.no, row.step, None if row.special else stored_value(row), row.time)
        for row in rows
    ]


def events_of_trial(connection: sa.Connection, study_id: int, number: int) -> list[StudyEvent]:
    """Return the events of a trial, oldest first."""
    rows = connection.execute(_EVENTS_OF_TRIAL, {"of_study": study_id, "of_number": number})
    return [StudyEvent(*row) for row in rows]


def events_after(
    connection: sa.Connection, study_id: int, after: int, most: int
) -> list[StudyEvent]:
    """Return the first events of a study and its trials with an id above `after`."""
    at = {"of_study": study_id, "after": after, "most": most}
    return [StudyEvent(*row) for row in connection.execute(_EVENTS_AFTER, at)]


def newest_run_dir(connection: sa.Connection, study_id: int, number: int) -> str | None:
    """Return the folder of the newest attempt of a trial that ran; None if none did."""
    at = {"of_study": study_id, "of_number": number}
    run_dir: str | None = connection.execute(_RUN_DIR, at).scalar_one_or_none()
    return run_dir
