"""The rows of workers. A worker is locked last: after attempts and trials."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from tuner.storage import tables
from tuner.trials.attempt import Attempt
from tuner.trials.kinds import UNHEARD_S, Kind, needed_image
from tuner.trials.states import AttemptState, WorkerState
from tuner.trials.store.columns import columns, in_states
from tuner.trials.store.counting import gpus_of
from tuner.trials.worker import Worker

#: Seconds of silence after which a worker is forgotten when a new one arrives; if there are more
#: than `MOST`, the one silent for longest is forgotten after an hour already.
FORGOTTEN_S = 7 * 86400.0
FORGOTTEN_EARLY_S = 3600.0
#: Maximum number of names remembered: more than anybody has workers.
MOST = 10_000
#: Number of rows removed at a time.
_BATCH = 500

_w, _a, _s = tables.workers, tables.attempts, tables.studies
_NAME = _w.c.name == sa.bindparam("who")
_ONE = sa.select(_w).where(_NAME)
_LOCK = _ONE.with_for_update()
# The values to set are passed as further parameters on execution.
_UPDATE = _w.update().where(_NAME)
_SET = _UPDATE.values(
    state=sa.bindparam("new_state"),
    attempt=sa.bindparam("new_attempt"),
    last_seen=sa.bindparam("seen"),
)
_REHABILITATE = _SET.values(
    failed_json="[]",
    test_tries=0,
    out_reason="",
    out_since=None,
    # A self-test that a user has requested is still due.
    test_after=sa.case((_w.c.out_reason != "", sa.null()), else_=_w.c.test_after),
)
_TAKES_ATTEMPTS = (
    _w.c.drain.is_(False),
    _w.c.out_reason == "",
    _w.c.image_problem == "",
    _w.c.last_seen > sa.bindparam("heard_after", type_=sa.Float),
)
_IDLE = (
    sa.select(_w.c.device, _w.c.image, gpus_of(_w).label("owned"), sa.func.count())
    .where(_w.c.state == WorkerState.IDLE.value, *_TAKES_ATTEMPTS)
    # By its label: PostgreSQL does not recognize two expressions with parameters as equal.
    .group_by(_w.c.device, _w.c.image, "owned")
)


def find_worker(connection: sa.Connection, name: str, *, hold: bool = False) -> Worker | None:
    """Return a worker; None if there is none with this name.

    Args:
        hold: lock it until the transaction ends.
    """
    row = connection.execute(_LOCK if hold else _ONE, {"who": name}).first()
    return None if row is None else Worker.of(row)


def add_worker(connection: sa.Connection, **values: Any) -> Worker:
    """Insert a worker."""
    row = connection.execute(_w.insert().values(**columns(values)).returning(_w)).one()
    return Worker.of(row)


def set_worker(
    connection: sa.Connection,
    name: str,
    state: WorkerState,
    attempt: str | None,
    now: float,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Record what a worker is doing and that it was heard of.

    Call it last in a transaction: attempts and trials are locked before their worker.

    Args:
        state: as reported by the worker.
        attempt: the one it runs, if any.
        now: the database's time.
        changes: values of further columns.
    """
    if changes:
        change_worker(connection, name, **changes)
    values = {"who": name, "new_state": state.value, "new_attempt": attempt, "seen": now}
    connection.execute(_SET, values)


def change_worker(connection: sa.Connection, name: str, **values: Any) -> None:
    """Set columns of a worker."""
    connection.execute(_UPDATE, {"who": name, **columns(values)})


def rehabilitate(connection: sa.Connection, name: str, now: float) -> None:
    """Forget what counts against a worker that has completed a trial, and is idle now."""
    values = {"who": name, "new_state": WorkerState.IDLE.value, "new_attempt": None, "seen": now}
    connection.execute(_REHABILITATE, values)


def mark_gone(connection: sa.Connection, attempt: Attempt) -> None:
    """Mark the worker of a lost attempt as gone, if it last reported running this attempt."""
    connection.execute(
        _w.update()
        .where(_w.c.name == attempt.worker, _w.c.attempt == attempt.id)
        .values(state=WorkerState.GONE.value, attempt=None)
    )


def mark_all_gone(connection: sa.Connection, now: float) -> None:
    """Mark all workers as gone."""
    connection.execute(
        _w.update().values(
            state=WorkerState.GONE.value,
            attempt=None,
            # The clock of a restored database may have been ahead.
            last_seen=sa.case((_w.c.last_seen > now, now), else_=_w.c.last_seen),
        )
    )


def forget_gone(connection: sa.Connection, now: float) -> int:
    """Remove the rows of workers that are gone for good and hold nothing; return their number.

    A later worker of the same name is a new one: neither draining nor out of service.
    """
    holds = sa.select(_a.c.id).where(
        _a.c.worker == _w.c.name, _a.c.state == AttemptState.LEASED.value
    )
    silent = sa.select(_w.c.name).where(~holds.exists()).order_by(_w.c.last_seen)
    names = connection.execute(
        silent.where(_w.c.last_seen < now - FORGOTTEN_S).limit(_BATCH)
    ).scalars()
    gone = list(names)
    count = connection.execute(sa.select(sa.func.count()).select_from(_w)).scalar_one()
    if (surplus := count - len(gone) - MOST) > 0:
        early = silent.where(_w.c.last_seen < now - FORGOTTEN_EARLY_S, _w.c.name.not_in(gone))
        gone += connection.execute(early.limit(min(surplus, _BATCH))).scalars()
    if gone:
        connection.execute(_w.delete().where(_w.c.name.in_(gone)))
    return len(gone)


def idle_workers(connection: sa.Connection, now: float) -> Counter[Kind]:
    """Return the number of idle workers that take attempts, by (device, image, GPUs)."""
    rows = connection.execute(_IDLE, {"heard_after": now - UNHEARD_S})
    return Counter({(device, image, gpus): n for device, image, gpus, n in rows})


def able_states(
    connection: sa.Connection, study_id: int, excluded_json: str, now: float
) -> list[WorkerState]:
    """Return the states of the live workers that fit an attempt and have not failed at its trial.

    Args:
        study_id: of the attempt's study.
        now: the database's time.
    """
    facts: sa.Select[Any] = sa.select(
        _s.c.device, gpus_of(_s).label("gpus"), _s.c.image, _s.c.project, _s.c.name
    )
    study = connection.execute(facts.where(_s.c.id == study_id)).one()
    query = sa.select(_w.c.state, _w.c.projects_json).where(
        _w.c.device == study.device,
        gpus_of(_w) == study.gpus,
        _w.c.name.not_in(json.loads(excluded_json)),
        in_states(_w.c.state, (WorkerState.IDLE, WorkerState.BUSY)),
        *_TAKES_ATTEMPTS,
    )
    if (image := needed_image(study)) is not None:
        query = query.where(_w.c.image == image)
    rows = connection.execute(query, {"heard_after": now - UNHEARD_S})
    return [WorkerState(state) for state, projects in rows if _takes(projects, study.project)]


def waits_for_busy(
    connection: sa.Connection, study_id: int, excluded_json: str, now: float
) -> bool:
    """Whether only busy workers may take a ready attempt, so that waking idle ones is useless.

    Arguments as for `able_states`.
    """
    if excluded_json == "[]":
        return False
    able = able_states(connection, study_id, excluded_json, now)
    return bool(able) and WorkerState.IDLE not in able


def _takes(projects_json: str, project: str) -> bool:
    """Whether a worker with a token for these projects (null: all) runs the project's trials."""
    projects = json.loads(projects_json)
    return projects is None or project in projects
