"""`/metrics`: the state of the database, read on each request, and counters of this process."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

import sqlalchemy as sa
from prometheus_client import Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from tuner.coordinator.loop import Coordinator
from tuner.documents.demand import DemandKind
from tuner.errors import UnavailableError
from tuner.protocol import Device
from tuner.release import release
from tuner.server.monitoring.cached_probe import CachedProbe
from tuner.server.monitoring.health import Part, ServerHealth, State
from tuner.service.demand.reading import Demand
from tuner.service.roots import unfiled
from tuner.storage import Storage, tables
from tuner.storage.engines.outage import Trouble as DatabaseTrouble
from tuner.trials.kinds import UNHEARD_S
from tuner.trials.states import LIVE, OPEN, StudyState, TrialState, WorkerState
from tuner.trials.store.columns import words

#: Seconds for which an ended study is shown: its last values have been scraped by then.
RECENT_S = 3600.0
#: Maximum number of kinds of workers with series of their own, those most wanted; the image is a
#: text from users, and there may be as many as studies.
MOST_KINDS = 50
#: Stands for the images of all other kinds.
OTHER_IMAGES = "other"
_FRESH_S = 3.0
_PATIENCE_S = 5.0

STUDY_STATES = words(StudyState)
TRIAL_STATES = words(TrialState)
ATTEMPT_STATES = words(LIVE)
_DRAINING, _OUT = "draining", "out"
#: What a worker does, unless it is draining or out of service.
WORKER_STATES = (*words(x for x in WorkerState if x is not WorkerState.GONE), _DRAINING, _OUT)

_s, _t, _a, _w = tables.studies, tables.trials, tables.attempts, tables.workers
_STUDIES = sa.select(_s.c.state, sa.func.count()).group_by(_s.c.state)
_SHOWN = sa.select(_s.c.id, _s.c.project, _s.c.name).where(
    sa.or_(_s.c.state.in_(words(OPEN)), _s.c.finished > sa.bindparam("ended_after", type_=sa.Float))
)
_TRIALS = (
    sa.select(_t.c.study_id, _t.c.state, sa.func.count())
    .where(_t.c.study_id.in_(sa.bindparam("study_ids", expanding=True)))
    .group_by(_t.c.study_id, _t.c.state)
)
_ATTEMPTS = (
    sa.select(_a.c.state, sa.func.count()).where(_a.c.state.in_(words(LIVE))).group_by(_a.c.state)
)
_WORKER_STATE = sa.case(
    (sa.or_(_w.c.out_reason != "", _w.c.image_problem != ""), _OUT),
    (_w.c.drain, _DRAINING),
    else_=_w.c.state,
).label("shown")
_WORKERS = (
    sa.select(_w.c.device, _WORKER_STATE, sa.func.count())
    .where(
        _w.c.state != WorkerState.GONE.value,
        _w.c.last_seen > sa.bindparam("heard_after", type_=sa.Float),
    )
    # Group by the label: PostgreSQL does not recognize that two expressions with parameters are
    # equal.
    .group_by(_w.c.device, "shown")
)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """The contents of the database at one moment."""

    studies: Counter[str]
    #: By study (`project/name`), then by state.
    trials: dict[str, Counter[str]]
    attempts: Counter[str]
    #: By device and state.
    workers: Counter[tuple[str, str]]
    #: Number of files yet to be written, by kind, as in `tables.unfiled`.
    unfiled: Counter[str]
    #: Number of wanted workers by device, GPUs and image.
    wanted: Counter[tuple[str, str, str]]


class Metrics(Collector):
    """Everything that `/metrics` shows. Thread-safe."""

    def __init__(
        self, storage: Storage, coordinator: Coordinator, health: ServerHealth, demand: Demand
    ) -> None:
        self._storage = storage
        self._demand = demand
        self._coordinator = coordinator
        self._health = health
        self._counts = CachedProbe(self._count, fresh_s=_FRESH_S, patience_s=_PATIENCE_S)
        self._registry = coordinator.instruments.registry
        self._registry.register(self)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format, even while the database is away."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: registering the collector must not cost a query."""
        return []

    @override
    def collect(self) -> Iterator[Metric]:
        """Yield the current metrics; those from the database are missing while it is away."""
        state = self._health.state()
        try:
            yield from _of_counts(self._counts.get())
        except (UnavailableError, sa.exc.SQLAlchemyError):
            """`tuner_problem` says so."""
        yield from self._of_server(state)

    def close(self) -> None:
        """Stop reading."""
        self._counts.close()

    def _count(self) -> Counts:
        wanted = wanted_by_kind(self._demand.read()["kinds"])
        with self._storage.read() as connection:
            now = self._storage.now(connection)
            shown = connection.execute(_SHOWN, {"ended_after": now - RECENT_S})
            names = {row.id: f"{row.project}/{row.name}" for row in shown}
            trials: dict[str, Counter[str]] = {name: Counter() for name in names.values()}
            for study_id, state, count in connection.execute(_TRIALS, {"study_ids": list(names)}):
                trials[names[study_id]][state] = count
            return Counts(
                studies=Counter(dict(connection.execute(_STUDIES).all())),
                trials=trials,
                attempts=Counter(dict(connection.execute(_ATTEMPTS).all())),
                workers=_workers(connection, now),
                unfiled=Counter(unfiled.counts(connection)),
                wanted=wanted,
            )

    def _of_server(self, state: State) -> Iterator[Metric]:
        if state.queue is not None:
            queue = _gauge("tuner_queue_length", "Wake-ups that wait in Redis", "device")
            for device, length in state.queue.items():
                queue.add_metric([device], length)
            yield queue
        problem = _gauge("tuner_problem", "1 while something is wrong with a part", "part")
        for part in get_args(Part):
            problem.add_metric([part], part in state.failing or part in state.warnings)
        yield problem
        trouble = _gauge(
            "tuner_database_trouble", "1 while nothing can be written to the database", "why"
        )
        for why in get_args(DatabaseTrouble):
            trouble.add_metric([why], state.database == why)
        yield trouble
        waits = _gauge(
            "tuner_filer_waiting_seconds", "On what filing hangs, and since when", "what"
        )
        hangs = state.filer
        waits.add_metric([hangs.what if hangs else ""], hangs.seconds if hangs else 0.0)
        yield waits
        leads = self._coordinator.leads
        yield _gauge("tuner_leader", "1 while this server coordinates", value=leads)
        epoch = self._coordinator.leadership.epoch
        yield _gauge(
            "tuner_leader_epoch", "Number of this server's lead; 0: it never led", value=epoch
        )
        last = self._coordinator.instruments.last_round
        if last is not None:
            text = "Time since the coordinator's loop last completed a round"
            age = time.monotonic() - last
            yield _gauge("tuner_coordinator_round_age_seconds", text, value=age)
        info = _gauge("tuner_build_info", "1; the release of this server", "release")
        info.add_metric([release()], 1)
        yield info


def wanted_by_kind(kinds: Sequence[DemandKind]) -> Counter[tuple[str, str, str]]:
    """Return how many workers are wanted by device, GPUs and image, in few series.

    Args:
        kinds: as `Demand.read` returns them.
    """
    ordered = sorted(kinds, key=lambda kind: -int(kind["workers_wanted"]))
    wanted: Counter[tuple[str, str, str]] = Counter()
    for place, kind in enumerate(ordered):
        image = (kind["image"] or "") if place < MOST_KINDS else OTHER_IMAGES
        # Zeros are shown as well: autoscalers need them.
        wanted[kind["device"], str(kind["gpus"]), image] += kind["workers_wanted"]
    return wanted


def _workers(connection: sa.Connection, now: float) -> Counter[tuple[str, str]]:
    rows = connection.execute(_WORKERS, {"heard_after": now - UNHEARD_S})
    return Counter({(device, state): count for device, state, count in rows})


def _of_counts(counts: Counts) -> Iterator[Metric]:
    yield _filled(_gauge("tuner_studies", "Studies", "state"), STUDY_STATES, counts.studies)
    trials = _gauge("tuner_trials", "Trials of open and of lately ended studies", "study", "state")
    for study, by_state in counts.trials.items():
        for state in TRIAL_STATES:
            trials.add_metric([study, state], by_state[state])
    yield trials
    attempts = _gauge("tuner_attempts", "Attempts that wait or are being executed", "state")
    yield _filled(attempts, ATTEMPT_STATES, counts.attempts)
    workers = _gauge("tuner_workers", "Live workers", "device", "state")
    for device in get_args(Device):
        for state in WORKER_STATES:
            workers.add_metric([device, state], counts.workers[device, state])
    yield workers
    wanted = _gauge(
        "tuner_workers_wanted", "Workers that the studies could use now", "device", "gpus", "image"
    )
    for kind, count in counts.wanted.items():
        wanted.add_metric(list(kind), count)
    yield wanted
    missing = _gauge("tuner_unfiled", "What could not be written or removed in the roots", "kind")
    yield _filled(missing, get_args(unfiled.UnfiledKind), counts.unfiled)
    live = counts.workers.total()
    if live:
        fleet = counts.workers.items()
        idle = sum(count for (_, state), count in fleet if state == WorkerState.IDLE.value)
        yield _gauge(
            "tuner_worker_idle_ratio", "Share of live workers that idle", value=idle / live
        )


def _filled(
    gauge: GaugeMetricFamily, labels: Iterable[str], counts: Counter[str]
) -> GaugeMetricFamily:
    for label in labels:
        gauge.add_metric([label], counts[label])
    return gauge


def _gauge(name: str, text: str, *labels: str, value: float | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value, labels=labels or None)
