"""Finding the rows that a request speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from tuner.errors import FencedError, NotFoundError
from tuner.identity import caller
from tuner.storage import tables

# Built once: to build a statement costs more than to execute it, and every call comes here.
_a, _t, _s, _w = tables.attempts, tables.trials, tables.studies, tables.workers
_LOCK_ATTEMPT = sa.select(_a).where(_a.c.id == sa.bindparam("attempt_id")).with_for_update()
_TRIAL = sa.select(_t).where(
    _t.c.study_id == sa.bindparam("of_study"), _t.c.number == sa.bindparam("of_number")
)
_STUDY = sa.select(_s).where(_s.c.id == sa.bindparam("of_study"))
_SET_WORKER = (
    _w.update()
    .where(_w.c.name == sa.bindparam("who"))
    .values(
        state=sa.bindparam("new_state"),
        attempt=sa.bindparam("new_attempt"),
        last_seen=sa.bindparam("seen"),
    )
)


def lock_attempt(connection: sa.Connection, attempt_id: str, token: str) -> sa.Row[Any]:
    """Return the row of a worker's attempt, held until the transaction ends.

    Raises:
        NotFoundError: there is no such attempt.
        FencedError: it was claimed with another token, of the claim or of the API.
    """
    row = connection.execute(_LOCK_ATTEMPT, {"attempt_id": attempt_id}).first()
    if row is None:
        raise NotFoundError(f"there is no attempt {attempt_id[:80]}")
    if row.token != token or not is_bearers(row.bearer):
        raise FencedError(f"attempt {attempt_id} belongs to another claim")
    return row


def is_bearers(bearer: int | None) -> bool:
    """Whether what was claimed with a token is the caller's: with that token, or as an operator."""
    who = caller()
    return who.token_id == bearer or who.is_operator


def trial_of(connection: sa.Connection, attempt: sa.Row[Any]) -> sa.Row[Any]:
    """Return the trial that an attempt executes.

    Raises:
        NotFoundError: it was deleted just now.
    """
    at = {"of_study": attempt.study_id, "of_number": attempt.number}
    return _there(connection.execute(_TRIAL, at).first(), attempt)


def study_of(connection: sa.Connection, attempt: sa.Row[Any]) -> sa.Row[Any]:
    """Return the study that an attempt belongs to.

    Raises:
        NotFoundError: it was deleted just now.
    """
    return _there(connection.execute(_STUDY, {"of_study": attempt.study_id}).first(), attempt)


def _there(row: sa.Row[Any] | None, attempt: sa.Row[Any]) -> sa.Row[Any]:
    if row is None:
        raise NotFoundError(f"attempt {attempt.id} was deleted with its study")
    return row


def set_worker(
    connection: sa.Connection,
    name: str,
    state: str,
    attempt: str | None,
    now: float,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Note what a worker is doing and that it was heard of.

    Comes last in a transaction: attempts and trials are locked before their worker.

    Args:
        connection: of the transaction.
        name: of the worker.
        state: starting, idle, busy or stopping.
        attempt: what it runs, if anything.
        now: the database's time.
        changes: further columns of its row.
    """
    if changes:
        connection.execute(_w.update().where(_w.c.name == name).values(**changes))
    values = {"who": name, "new_state": state, "new_attempt": attempt, "seen": now}
    connection.execute(_SET_WORKER, values)
