"""Data that determine how many workers the studies could use: their progress and requirements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.storage import tables
from tuner.trials.kinds import EXTERNAL, UNHEARD_S
from tuner.trials.states import LIVE, OPEN, AttemptState, StudyState, TrialState, WorkerState
from tuner.trials.store.columns import in_states
from tuner.trials.store.studies import visible
from tuner.trials.study import Study

_s, _t, _a, _w = tables.studies, tables.trials, tables.attempts, tables.workers
_RUNNING = sa.select(_s.c.id).where(_s.c.state == StudyState.RUNNING.value)
_STUDIES = sa.select(_s).where(in_states(_s.c.state, OPEN), _s.c.device != EXTERNAL)
_ENDED: sa.Select[Any] = sa.select(
    _s.c.project, _s.c.name, _s.c.device, _s.c.gpus, _s.c.image
).where(_s.c.device != EXTERNAL, _s.c.finished > sa.bindparam("ended_after", type_=sa.Float))
_IS_OPEN = in_states(_t.c.state, (TrialState.WAITING, TrialState.RUNNING)).label("is_open")
_TRIALS = (
    sa.select(_t.c.study_id, _IS_OPEN, _t.c.counted, sa.func.count().label("count"))
    .where(_t.c.study_id.in_(_RUNNING))
    # By the label: PostgreSQL does not recognize two expressions with parameters as equal.
    .group_by(_t.c.study_id, "is_open", _t.c.counted)
)
_IS_DUE = (_a.c.not_before <= sa.bindparam("now", type_=sa.Float)).label("is_due")
_ATTEMPTS = (
    sa.select(
        _a.c.study_id,
        _a.c.state,
        _IS_DUE,
        sa.func.count().label("count"),
        sa.func.min(_a.c.not_before).label("first"),
    )
    .where(in_states(_a.c.state, LIVE))
    .group_by(_a.c.study_id, _a.c.state, "is_due")
)
_WORKERS: sa.Select[Any] = sa.select(
    _w.c.name, _w.c.device, _w.c.gpus, _w.c.image, _w.c.state, _w.c.projects_json
).where(
    _w.c.device != EXTERNAL,
    in_states(_w.c.state, (WorkerState.STARTING, WorkerState.IDLE, WorkerState.BUSY)),
    _w.c.drain.is_(False),
    _w.c.out_reason == "",
    _w.c.image_problem == "",
    _w.c.last_seen > sa.bindparam("heard_after", type_=sa.Float),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class EndedStudy:
    """What the trials of an ended study required."""

    project: str
    name: str
    device: str
    gpus: int | None
    image: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialCount:
    """The number of a study's trials that are alike."""

    study_id: int
    #: Whether they have no outcome.
    is_open: bool
    counted: bool
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptCount:
    """The number of a study's attempts that are alike."""

    study_id: int
    #: READY or LEASED.
    state: AttemptState
    #: Whether they may be claimed now, considering only their delays.
    is_due: bool
    count: int
    #: When the first of them may be claimed.
    first: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveWorker:
    """A live worker that may be given trials now or soon."""

    name: str
    device: str
    gpus: int | None
    image: str | None
    state: WorkerState
    projects_json: str


def open_studies(connection: sa.Connection) -> list[Study]:
    """Return the caller's open studies, except those that no worker executes."""
    return [Study.of(row) for row in connection.execute(_STUDIES.where(visible()))]


def ended_studies(connection: sa.Connection, ended_after: float) -> list[EndedStudy]:
    """Return the caller's studies that have ended recently, chosen as in `open_studies`."""
    rows = connection.execute(_ENDED.where(visible()), {"ended_after": ended_after})
    return [EndedStudy(**row._mapping) for row in rows]


def count_trials(connection: sa.Connection) -> list[TrialCount]:
    """Return the trials of all running studies, counted."""
    return [
        TrialCount(study_id=study_id, is_open=bool(is_open), counted=counted, count=count)
        for study_id, is_open, counted, count in connection.execute(_TRIALS)
    ]


def count_attempts(connection: sa.Connection, now: float) -> list[AttemptCount]:
    """Return the attempts of all studies that are ready or leased, counted."""
    return [
        AttemptCount(
            study_id=study_id,
            state=AttemptState(state),
            is_due=bool(is_due),
            count=count,
            first=first,
        )
        for study_id, state, is_due, count, first in connection.execute(_ATTEMPTS, {"now": now})
    ]


def live_workers(connection: sa.Connection, now: float) -> list[LiveWorker]:
    """Return the live workers that are in service and not draining."""
    rows = connection.execute(_WORKERS, {"heard_after": now - UNHEARD_S})
    return [LiveWorker(**{**row._mapping, "state": WorkerState(row.state)}) for row in rows]
