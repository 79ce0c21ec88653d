"""The states of a study: moved from one to the next, with the reason, in one place."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tuner.storage import tables
from tuner.trials.attempts import LIVE, call_off
from tuner.trials.events import record_event
from tuner.trials.timing import active_s

#: States in which the coordinator looks after a study.
OPEN = ("running", "paused", "stopping")
#: The reason that makes a stopping study end as cancelled.
CANCELLED = "cancelled by the user"


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


def set_wait_reason(
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
