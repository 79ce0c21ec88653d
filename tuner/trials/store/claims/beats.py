"""What beats change: until when attempts are leased, and when workers were last heard of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from tuner.protocol import LEASE_S, Order
from tuner.storage import tables
from tuner.trials.states import AttemptState
from tuner.trials.store.attempts import is_bearers
from tuner.trials.worker import Worker

_a, _w = tables.attempts, tables.workers
# Built once: to build a statement costs more than to execute it. One that somebody else holds is
# left out: its beat must not hold up the others.
_BEATING = (
    sa.select(_a.c.id, _a.c.token, _a.c.bearer, _a.c.wanted)
    .where(
        _a.c.id.in_(sa.bindparam("ids", expanding=True)),
        _a.c.state == AttemptState.LEASED.value,
    )
    .order_by(_a.c.study_id, _a.c.number, _a.c.no)
    .with_for_update(skip_locked=True)
)
_EXTEND = (
    _a.update()
    .where(_a.c.id.in_(sa.bindparam("ids", expanding=True)))
    .values(lease_until=sa.bindparam("until", type_=sa.Float), heard=True)
)
_NAMED = _w.c.name.in_(sa.bindparam("names", expanding=True))
_WORKERS = sa.select(_w).where(_NAMED)
# What has changed since they were read was heard of as well.
_HEARD = (
    _w.update()
    .where(_NAMED, _w.c.last_seen < sa.bindparam("now", type_=sa.Float))
    .values(last_seen=sa.bindparam("now", type_=sa.Float))
)
# As the partial index has it, so that the index is used.
_HOLDING = sa.select(_a.c.worker).where(
    _a.c.worker.in_(sa.bindparam("names", expanding=True)),
    sa.text("tuner_attempts.state = 'leased'"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class BeatingAttempt:
    """A leased attempt whose worker has given a sign of life."""

    id: str
    token: str | None
    bearer: int | None
    wanted: Order

    def is_callers(self) -> bool:
        """Whether the caller's token is that with which it was claimed, or an operator's."""
        return is_bearers(self.bearer)


def beating_attempts(connection: sa.Connection, ids: Collection[str]) -> dict[str, BeatingAttempt]:
    """Return those of some attempts that are leased, by id, held until the transaction ends.

    Those that another transaction holds are missing.
    """
    rows = connection.execute(_BEATING, {"ids": list(ids)})
    return {row.id: BeatingAttempt(**row._mapping) for row in rows}


def beating_workers(connection: sa.Connection, names: Collection[str]) -> dict[str, Worker]:
    """Return those of some workers that are known, by name."""
    rows = connection.execute(_WORKERS, {"names": list(names)})
    return {worker.name: worker for worker in map(Worker.of, rows)}


def holding_workers(connection: sa.Connection, names: Collection[str]) -> frozenset[str]:
    """Return those of some workers to which attempts are leased."""
    return frozenset(connection.execute(_HOLDING, {"names": list(names)}).scalars())


def extend_leases(connection: sa.Connection, ids: Collection[str], now: float) -> None:
    """Extend the leases of attempts that the transaction holds."""
    connection.execute(_EXTEND, {"ids": list(ids), "until": now + LEASE_S})


def note_heard(connection: sa.Connection, names: Collection[str], now: float) -> None:
    """Record a sign of life of workers."""
    connection.execute(_HEARD, {"names": list(names), "now": now})
