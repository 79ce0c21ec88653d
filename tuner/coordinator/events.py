"""The log of what happened to a study, for `tuner events`."""

from __future__ import annotations

import sqlalchemy as sa

from tuner.storage import tables


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
    row = {"study_id": study_id, "number": number, "attempt": attempt}
    connection.execute(tables.events.insert(), {**row, "time": now, "kind": kind, "text": text})
