"""When a study stops, and with which reason: budget, target, patience, the user."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tuner.coordinator.attempts import LIVE, call_off
from tuner.coordinator.events import record_event
from tuner.coordinator.study_run import StudyRun
from tuner.coordinator.timing import active_s
from tuner.storage import Storage, tables

#: States in which the coordinator looks after a study.
OPEN = ("running", "paused", "stopping")
#: The reason that makes a stopping study end as cancelled.
CANCELLED = "cancelled by the user"


def limit_reached(run: StudyRun, study: sa.Row[Any], now: float) -> str | None:
    """Return which limit of the budget the study has reached, in words, or None."""
    if run.nothing_left and run.in_flight == 0:
        head = "nothing to search" if run.awaits_space else "search space exhausted"
        return f"{head}: {run.nothing_left}"
    budget = run.spec.budget
    if budget.trials is not None and run.used >= budget.trials:
        return f"budget.trials: {budget.trials} trials are done"
    if budget.hours is not None and active_s(study, now) >= budget.hours * 3600:
        return f"budget.hours: {budget.hours:g} hours are over"
    if budget.target is not None and run.best is not None:
        goal = run.spec.metrics[0].goal
        hit = run.best >= budget.target if goal == "maximize" else run.best <= budget.target
        if hit:
            return f"budget.target: {run.best:.6g} reaches {budget.target:g}"
    if budget.patience is not None and run.since_best >= budget.patience:
        return f"budget.patience: {run.since_best} trials without gain"
    return None


def is_still(connection: sa.Connection, study: sa.Row[Any]) -> bool:
    """Whether the study is in the state that its row, read earlier, says; holds it if so.

    The user may have paused, resumed or edited it meanwhile, and the user's word is the last; or
    a trial has found parameters to go on with.
    """
    s = tables.studies
    query = sa.select(s.c.id).where(
        s.c.id == study.id, s.c.state == study.state, s.c.revision == study.revision
    )
    return connection.execute(query.with_for_update(key_share=True)).first() is not None


def set_state(
    connection: sa.Connection, study: sa.Row[Any], state: str, reason: str, now: float
) -> None:
    """Move a study to `state`; keeps the account of its running time and logs the change."""
    s = tables.studies
    values: dict[str, Any] = {"state": state, "reason": reason}
    if state == "running":
        values |= {"running_since": now, "finished": None}
        if study.started is None:
            values["started"] = now
    elif study.running_since is not None and state != "stopping":
        values |= {"running_since": None, "active_s": active_s(study, now)}
    if state in ("finished", "failed", "cancelled"):
        values["finished"] = now
    connection.execute(s.update().where(s.c.id == study.id).values(**values))
    record_event(connection, now, "study-" + state, state_text(state, reason), study_id=study.id)


def state_text(state: str, reason: str) -> str:
    """Return what the event of a new state says."""
    return f"study is {state}" + (f": {reason}" if reason else "")


def new_setback(storage: Storage, run: StudyRun) -> str | None:
    """Return a reason to pause for which the study has not paused before, or None."""
    e = tables.events
    for reason in run.setbacks.reasons:
        if reason in run.setbacks.said:
            continue
        query = sa.select(e.c.id).where(
            e.c.study_id == run.study.id,
            e.c.kind == "study-paused",
            e.c.text == state_text("paused", reason),
        )
        with storage.read() as connection:
            if connection.execute(query.limit(1)).first() is None:
                return reason
        # The user has resumed the study all the same.
        run.setbacks.said.add(reason)
    return None


def set_hindrance(
    connection: sa.Connection, study: sa.Row[Any], reason: str, now: float, *, event: str | None
) -> None:
    """Say why a running study starts no trial at present; empty: nothing hinders it.

    Args:
        connection: a writing one.
        study: its row.
        reason: for its status.
        now: the database's time.
        event: what its events are to say of it, empty: that trials start again; None: nothing.
    """
    s = tables.studies
    changed = connection.execute(
        s.update().where(s.c.id == study.id, s.c.state == "running").values(reason=reason)
    )
    if event is not None and changed.rowcount:
        text = f"no trial starts: {event}" if event else "trials start again"
        record_event(connection, now, "study-waiting", text, study_id=study.id)


def drop_unstarted(connection: sa.Connection, study: sa.Row[Any], now: float) -> list[int]:
    """End the trials of a stopping study that no worker is running; return their numbers.

    They never trained, or were waiting to run again: FAIL, cause cancelled, not counted.
    """
    t, a = tables.trials, tables.attempts
    leased = sa.select(a.c.number).where(a.c.study_id == study.id, a.c.state == "leased")
    query = sa.select(t.c.number).where(
        t.c.study_id == study.id,
        t.c.state.in_(("waiting", "running")),
        t.c.number.not_in(leased),
    )
    numbers = list(connection.execute(query).scalars())
    for number in numbers:
        call_off(connection, study.id, number, now)
        connection.execute(
            t.update()
            .where(
                t.c.study_id == study.id,
                t.c.number == number,
                # A lost attempt may have brought its result in just now.
                t.c.state.in_(("waiting", "running")),
            )
            .values(
                state="fail",
                cause="cancelled",
                error="the study stopped before this trial could run to its end",
                counted=False,
                finished=now,
            )
        )
    return numbers


def has_live_attempts(connection: sa.Connection, study_id: int) -> bool:
    """Whether a worker runs, or may still claim, an attempt of the study."""
    a = tables.attempts
    query = sa.select(a.c.id).where(a.c.study_id == study_id, a.c.state.in_(LIVE)).limit(1)
    return connection.execute(query).first() is not None
