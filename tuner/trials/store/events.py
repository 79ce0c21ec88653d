"""The log of what happened to a study, for `tuner events`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import sqlalchemy as sa

from tuner.storage import tables

#: Who asked for what is being done, as `user@host`; None: the service itself, or a worker. It goes
#: beside the call and not through it, because every change ends in an event, however deep.
_actor: ContextVar[str | None] = ContextVar("actor", default=None)
_INSERT = tables.events.insert()


@contextlib.contextmanager
def acting(name: str | None) -> Iterator[None]:
    """Have the events of this block say who asked for them."""
    token = _actor.set(name)
    try:
        yield
    finally:
        _actor.reset(token)


def acting_name() -> str | None:
    """Return who asked for what is being done; None: the service itself, or a worker."""
    return _actor.get()


def record_event(
    connection: sa.Connection,
    now: float,
    kind: str,
    text: str,
    *,
    study_id: int | None = None,
    number: int | None = None,
    attempt: str | None = None,
) -> None:
    """Insert an event in the transaction of the change that it tells of."""
    row = {"study_id": study_id, "number": number, "attempt": attempt, "actor": _actor.get()}
    connection.execute(_INSERT, {**row, "time": now, "kind": kind, "text": text})
