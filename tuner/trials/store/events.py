"""The log of what happened to a study, for `tuner events`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import sqlalchemy as sa

from tuner.storage import tables

#: Who requested the present operation, as `user@host`; None: the service itself, or a worker. A
#: context variable instead of an argument, because every change ends in an event, however deep in
#: the call stack.
_actor: ContextVar[str | None] = ContextVar("actor", default=None)
_INSERT = tables.events.insert()


@contextlib.contextmanager
def acting(name: str | None) -> Iterator[None]:
    """Make the events of this block say who requested them."""
    token = _actor.set(name)
    try:
        yield
    finally:
        _actor.reset(token)


def acting_name() -> str | None:
    """Return who requested the present operation; None: the service itself, or a worker."""
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
    """Insert an event in the transaction of the change that it describes."""
    row = {"study_id": study_id, "number": number, "attempt": attempt, "actor": _actor.get()}
    connection.execute(_INSERT, {**row, "time": now, "kind": kind, "text": text})
