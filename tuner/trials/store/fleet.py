"""The workers heard of recently, reduced to what a study may wait for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.storage import tables
from tuner.trials.kinds import UNHEARD_S, owned_gpus
from tuner.trials.states import WorkerState
from tuner.trials.store.columns import in_states

_w = tables.workers
_FLEET: sa.Select[Any] = (
    sa.select(
        _w.c.name, _w.c.device, _w.c.gpus, _w.c.image, _w.c.state, _w.c.last_seen,
        _w.c.drain, _w.c.drain_reason, _w.c.out_reason, _w.c.image_problem, _w.c.projects_json,
    )
    # One that is stopping takes no more trials, and is soon gone.
    .where(
        ~in_states(_w.c.state, (WorkerState.GONE, WorkerState.STOPPING)),
        _w.c.last_seen > sa.bindparam("heard_after", type_=sa.Float),
    )
    .order_by(_w.c.name)
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetWorker:
    """A worker that was heard of recently."""

    name: str
    device: str
    #: Number of GPUs that it owns.
    gpus: int
    image: str | None
    #: None: the state in its row is unknown.
    state: WorkerState | None
    last_seen: float
    #: Of its token; None: all.
    projects: frozenset[str] | None
    #: Why it takes no attempts (it is draining, or out of service); empty: it does.
    unavailable_because: str


def read_fleet(connection: sa.Connection, now: float) -> list[FleetWorker]:
    """Return the workers counted as available, by name."""
    rows = connection.execute(_FLEET, {"heard_after": now - UNHEARD_S})
    return [
        FleetWorker(
            name=row.name,
            device=row.device,
            gpus=owned_gpus(row),
            image=row.image,
            state=_state(row.state),
            last_seen=row.last_seen,
            projects=_projects(row.projects_json),
            unavailable_because=_unavailable_because(row),
        )
        for row in rows
    ]


def _state(word: str) -> WorkerState | None:
    try:
        return WorkerState(word)
    except ValueError:
        return None


def _projects(text: str) -> frozenset[str] | None:
    projects = json.loads(text)
    return None if projects is None else frozenset(projects)


def _unavailable_because(row: sa.Row[Any]) -> str:
    if row.drain:
        return f"leaves, {row.drain_reason}" if row.drain_reason else "leaves, drained by a user"
    if row.image_problem:
        return f"gets none, {row.image_problem}"
    return f"out of service, {row.out_reason}" if row.out_reason else ""
