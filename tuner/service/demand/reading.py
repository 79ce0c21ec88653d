"""How many workers the studies could use now, by device, GPUs and image, and with which reason.

Whatever scales workers asks this: `tuner workers autoscale`, KEDA, a scheduler, a cloud. It is read
from the database alone, so every server answers it, one that does not coordinate as well.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from tuner.documents.demand import WorkerDemand
from tuner.integrity.values import require_sound, wrong_values
from tuner.service.demand.document import Wanting, demand_document
from tuner.service.demand.kinds import ANY, Kind, Like, able_workers, kind_of
from tuner.service.demand.wanting import Standing, Want, want_of
from tuner.storage import Storage, tables
from tuner.trials.faults import is_own, reason_of
from tuner.trials.finding import visible
from tuner.trials.kinds import EXTERNAL
from tuner.trials.specs import Specs
from tuner.trials.study_states import OPEN
from tuner.trials.timing import active_s

#: The kind of a study that has ended is shown, with 0, for so long: whoever scales sees the end.
RECENT_S = 3600.0
_IN_FLIGHT = ("waiting", "running")

_s, _t, _a = tables.studies, tables.trials, tables.attempts
_RUNNING = sa.select(_s.c.id).where(_s.c.state == "running")
_ENDED: sa.Select[Any] = sa.select(
    _s.c.project, _s.c.name, _s.c.device, _s.c.gpus, _s.c.image
).where(_s.c.device != EXTERNAL, _s.c.finished > sa.bindparam("ended_after", type_=sa.Float))
_TRIALS = (
    sa.select(_t.c.study_id, _t.c.state, _t.c.counted, sa.func.count())
    .where(_t.c.study_id.in_(_RUNNING))
    .group_by(_t.c.study_id, _t.c.state, _t.c.counted)
)
_IS_DUE = (_a.c.not_before <= sa.bindparam("now", type_=sa.Float)).label("is_due")
_ATTEMPTS = (
    sa.select(_a.c.study_id, _a.c.state, _IS_DUE, sa.func.count(), sa.func.min(_a.c.not_before))
    .where(_a.c.state.in_(("ready", "leased")))
    # By the label: PostgreSQL does not see that two expressions with parameters are the same.
    .group_by(_a.c.study_id, _a.c.state, "is_due")
)


@dataclass(kw_only=True)
class _Counts:
    """What of a study is at work or waits. Mutable: it is counted."""

    running: int = 0
    ready: int = 0
    #: When the first of those may be claimed that wait after a failure.
    next_ready: float | None = None
    in_flight: int = 0
    #: Ended trials that count in the budget.
    used: int = 0


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What the database holds at one moment."""

    now: float
    studies: list[sa.Row[Any]]
    counts: defaultdict[int, _Counts] = field(default_factory=lambda: defaultdict(_Counts))


class Demand:
    """Tells how many workers are of use. Safe to use from several threads.

    Args:
        storage: the truth.
        storage_problem: why nothing can be written to the log root at present, or None: then no
            trial starts, and no worker is wanted for one.
    """

    def __init__(
        self, storage: Storage, storage_problem: Callable[[], str | None] = lambda: None
    ) -> None:
        self._storage = storage
        self._storage_problem = storage_problem
        self._specs = Specs()

    def read(self, like: Like = ANY) -> WorkerDemand:
        """Return what the caller's studies could use now, as `demand_document` says it.

        Args:
            like: only what such a worker could run.
        """
        with self._storage.read() as connection:
            seen = _look(connection, self._storage.now(connection))
            wanting = self._wanting(seen)
            ended = _ended_kinds(connection, seen.now)
            workers = able_workers(connection, seen.now)
        return demand_document(wanting, ended, workers, like)

    def _wanting(self, seen: _Seen) -> dict[Kind, list[Wanting]]:
        found: defaultdict[Kind, list[Wanting]] = defaultdict(list)
        for study in seen.studies:
            name = f"{study.project}/{study.name}"
            counts = seen.counts[study.id]
            try:
                require_sound(tables.studies, study._asdict())
                kind, want = kind_of(study), want_of(self._standing(study, counts, seen.now))
            except Exception as exc:
                if not is_own(exc):
                    raise
                is_gpu = study.device == "gpu"
                kind = Kind(device="gpu" if is_gpu else "cpu", gpus=int(is_gpu), image=None)
                fault = reason_of(name, "reading it", exc)
                want = Want(running=counts.running, reason=fault)
            found[kind].append(Wanting(project=str(study.project), study=name, want=want))
        return found

    def _standing(self, study: sa.Row[Any], counts: _Counts, now: float) -> Standing:
        """Return what decides how many workers a study could use."""
        spec = self._specs.of(study)
        limit, hours = spec.budget.trials, spec.budget.hours
        is_over = hours is not None and active_s(study, now) >= hours * 3600
        size = None if spec.finds_space else spec.space.cardinality()
        # A trial that is tried again has a number of its own, and no configuration.
        tried = study.next_number - len(json.loads(study.retry_json))
        return Standing(
            state=study.state,
            why=study.reason,
            running=counts.running,
            ready=counts.ready,
            next_ready=counts.next_ready,
            in_flight=counts.in_flight,
            remaining=None if limit is None else max(0, limit - counts.used - counts.in_flight),
            parallel=study.parallel,
            untried=None if size is None else max(0, size - tried),
            is_seeking=spec.finds_space and not spec.found,
            limit=f"budget.hours: {hours:g} hours are over" if is_over else "",
            obstacle=self._storage_problem() or "",
        )


def _look(connection: sa.Connection, now: float) -> _Seen:
    """Read the caller's open studies, but for those that no worker executes."""
    query = sa.select(_s).where(_s.c.state.in_(OPEN), _s.c.device != EXTERNAL, visible())
    seen = _Seen(now=now, studies=list(connection.execute(query)))
    if not seen.studies:
        return seen
    for study_id, state, counted, number in connection.execute(_TRIALS):
        counts = seen.counts[study_id]
        if state in _IN_FLIGHT:
            counts.in_flight += number
        elif counted:
            counts.used += number
    for study_id, state, is_due, number, first in connection.execute(_ATTEMPTS, {"now": now}):
        counts = seen.counts[study_id]
        if state == "leased":
            counts.running += number
        elif is_due:
            counts.ready += number
        else:
            counts.next_ready = first
    return seen


def _ended_kinds(connection: sa.Connection, now: float) -> set[Kind]:
    rows = connection.execute(_ENDED.where(visible()), {"ended_after": now - RECENT_S})
    return {kind_of(row) for row in rows if next(wrong_values(_s, row._asdict()), None) is None}
