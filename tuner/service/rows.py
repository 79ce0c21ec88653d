"""Finding the rows that a request speaks of."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tuner.errors import FencedError, NotFoundError
from tuner.storage import tables


def lock_attempt(connection: sa.Connection, attempt_id: str, token: str) -> sa.Row[Any]:
    """Return the row of a worker's attempt, held until the transaction ends.

    Raises:
        NotFoundError: there is no such attempt.
        FencedError: it was claimed with another token.
    """
    a = tables.attempts
    row = connection.execute(sa.select(a).where(a.c.id == attempt_id).with_for_update()).first()
    if row is None:
        raise NotFoundError(f"there is no attempt {attempt_id[:80]}")
    if row.token != token:
        raise FencedError(f"attempt {attempt_id} belongs to another claim")
    return row


def trial_of(connection: sa.Connection, attempt: sa.Row[Any]) -> sa.Row[Any]:
    """Return the trial that an attempt executes."""
    t = tables.trials
    return connection.execute(
        sa.select(t).where(t.c.study_id == attempt.study_id, t.c.number == attempt.number)
    ).one()


def study_of(connection: sa.Connection, attempt: sa.Row[Any]) -> sa.Row[Any]:
    """Return the study that an attempt belongs to."""
    s = tables.studies
    return connection.execute(sa.select(s).where(s.c.id == attempt.study_id)).one()


def set_worker(
    connection: sa.Connection, name: str, state: str, attempt: str | None, now: float
) -> None:
    """Note what a worker is doing and that it was heard of."""
    w = tables.workers
    connection.execute(
        w.update().where(w.c.name == name).values(state=state, attempt=attempt, last_seen=now)
    )
