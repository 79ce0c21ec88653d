"""How many workers the studies could use now, by device, GPUs and image, and why.

Autoscalers ask for this: `tuner workers autoscale`, KEDA, a scheduler, a cloud. It is computed from
the database alone, so every server can answer, even one that does not coordinate.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from tuner.documents.demand import WorkerDemand
from tuner.integrity.values import require_sound
from tuner.service.demand.document import Wanting, demand_document
from tuner.service.demand.kinds import ANY, Kind, Like, able_workers, is_sound, kind_of
from tuner.service.demand.wanting import StudyDemand, Want, want_of
from tuner.storage import Storage, tables
from tuner.trials.faults import is_own, reason_of
from tuner.trials.specs import read_spec
from tuner.trials.states import AttemptState
from tuner.trials.store.columns import columns
from tuner.trials.store.demand import (
    count_attempts,
    count_trials,
    ended_studies,
    open_studies,
)
from tuner.trials.study import Study
from tuner.trials.timing import active_s

#: Seconds for which an ended study's kind is still listed, with 0, so that autoscalers see the end.
RECENT_S = 3600.0


@dataclass(kw_only=True)
class _Counts:
    """What is running or waiting in a study. Mutable: a counter."""

    running: int = 0
    ready: int = 0
    #: When the earliest attempt that waits after a failure may be claimed.
    next_ready: float | None = None
    in_flight: int = 0
    #: Ended trials that count towards the budget.
    used: int = 0


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """The contents of the database at one moment."""

    now: float
    studies: list[Study]
    counts: defaultdict[int, _Counts] = field(default_factory=lambda: defaultdict(_Counts))


class Demand:
    """Computes how many workers could be used. Thread-safe.

    Args:
        storage_problem: returns why the log root cannot be written at present, or None: while it
            cannot, no trial starts, and no worker is wanted.
    """

    def __init__(
        self, storage: Storage, storage_problem: Callable[[], str | None] = lambda: None
    ) -> None:
        self._storage = storage
        self._storage_problem = storage_problem

    def read(self, like: Like = ANY) -> WorkerDemand:
        """Return what the caller's studies could use now; see `demand_document`.

        Args:
            like: limits the answer to what such a worker could run.
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
            name = study.full_name
            counts = seen.counts[study.id]
            try:
                require_sound(tables.studies, columns(dataclasses.asdict(study)))
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

    def _standing(self, study: Study, counts: _Counts, now: float) -> StudyDemand:
        """Return what determines how many workers a study could use."""
        spec = read_spec(study.spec_json)
        limit, hours = spec.budget.trials, spec.budget.hours
        is_over = hours is not None and active_s(study, now) >= hours * 3600
        size = None if spec.finds_space else spec.space.cardinality()
        # A retry has a trial number of its own, but no new configuration.
        tried = study.next_number - len(study.retries_wanted)
        return StudyDemand(
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
    """Read the caller's open studies, except those that no worker executes."""
    seen = _Seen(now=now, studies=open_studies(connection))
    if not seen.studies:
        return seen
    for trials in count_trials(connection):
        counts = seen.counts[trials.study_id]
        if trials.is_open:
            counts.in_flight += trials.count
        elif trials.counted:
            counts.used += trials.count
    for attempts in count_attempts(connection, now):
        counts = seen.counts[attempts.study_id]
        if attempts.state is AttemptState.LEASED:
            counts.running += attempts.count
        elif attempts.is_due:
            counts.ready += attempts.count
        else:
            counts.next_ready = attempts.first
    return seen


def _ended_kinds(connection: sa.Connection, now: float) -> set[Kind]:
    studies = ended_studies(connection, now - RECENT_S)
    return {kind_of(study) for study in studies if is_sound(tables.studies, study)}
