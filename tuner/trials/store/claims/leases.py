"""Leases that have expired, or whose workers may be dead."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from tuner.storage import tables
from tuner.trials.states import AttemptState

_a, _w = tables.attempts, tables.workers
_LEASED = AttemptState.LEASED.value
_OVERDUE = sa.select(_a.c.id, _a.c.study_id).where(
    _a.c.state == _LEASED, _a.c.lease_until < sa.bindparam("now", type_=sa.Float)
)
_LEASED_ON = (
    sa.select(_a.c.id, _a.c.study_id, _w.c.pid)
    .join(_w, _w.c.name == _a.c.worker)
    .where(_a.c.state == _LEASED, _w.c.host == sa.bindparam("of_host"))
)


@dataclass(frozen=True, kw_only=True, slots=True)
class LeasedAttempt:
    """An attempt whose lease may have expired."""

    id: str
    study_id: int
    #: Process id of its worker, if requested.
    pid: int | None = None


def overdue_attempts(connection: sa.Connection, now: float) -> list[LeasedAttempt]:
    """Return the attempts whose lease has expired."""
    rows = connection.execute(_OVERDUE, {"now": now})
    return [LeasedAttempt(id=attempt, study_id=study_id) for attempt, study_id in rows]


def leased_on(connection: sa.Connection, host: str) -> list[LeasedAttempt]:
    """Return the attempts leased to workers of a host."""
    rows = connection.execute(_LEASED_ON, {"of_host": host})
    return [LeasedAttempt(id=attempt, study_id=study, pid=pid) for attempt, study, pid in rows]
