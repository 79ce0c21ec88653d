"""What one server counts and times while it works, for `/metrics`.

Each server has one of these and passes it to whatever has something to count: a call takes a few
microseconds and never waits. What the database knows is not counted here but read on request
(`tuner.server.monitoring.metrics`). Every metric is explained in docs/operations.md.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from tuner.protocol import Cause

#: How a proposal came out of the prefetch: ready and aware of every result; waited for; ready but
#: unaware of the newest results; not there in time.
Preparation = Literal["ready", "waited", "stale", "missed"]
WorkerCall = Literal["beat", "report", "finish"]

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Instruments:
    """Counters and histograms of one server. Thread-safe.

    Attributes:
        registry: holds them; more may be registered with it.
        last_round: when the coordinator's loop last completed a round (`time.monotonic`), None
            before the first.
    """

    def __init__(self) -> None:
        # Otherwise a third of all lines would say when a counter was created.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotation
        self.registry = CollectorRegistry()
        self.last_round: float | None = None
        ProcessCollector(registry=self.registry)
        self._rounds = self._histogram(
            "tuner_coordinator_round_seconds", "Time of one round of the coordinator's loop"
        )
        self._proposing = self._histogram(
            "tuner_propose_seconds", "Time to choose the parameters of a trial and to store it"
        )
        self._proposals = self._counter(
            "tuner_proposals", "Trials proposed, by the study's sampler and the one that chose",
            "sampler", "used",
        )  # fmt: skip
        self._preparations = self._counter(
            "tuner_preparations", "Proposals by how well they were prepared ahead", "result"
        )
        self._claims = self._histogram(
            "tuner_claim_seconds", "Time of one look for an attempt, without waiting for one",
            "result",
        )  # fmt: skip
        self._calls = self._histogram(
            "tuner_worker_call_seconds", "Time of a worker's other calls", "call"
        )
        self._lost_leases = self._counter(
            "tuner_lost_leases", "Attempts whose worker gave no sign of life for a lease"
        )
        self._retries = self._counter(
            "tuner_retries",
            "Attempts that ended for a cause for which the trial runs again",
            "cause",
        )
        self._answers = self._counter(
            "tuner_http_requests", "Requests answered", "method", "route", "status"
        )
        self._show_zeros()

    def round(self, seconds: float) -> None:
        """Record a completed round of the coordinator's loop."""
        self.last_round = time.monotonic()
        self._rounds.observe(seconds)

    def proposed(
        self, seconds: float, *, sampler: str, used: str, preparation: Preparation | None
    ) -> None:
        """Record a trial that was proposed.

        Args:
            seconds: from the request for a trial until it was stored.
            used: what actually chose: the sampler, a fallback, or `retry`.
            preparation: how the prefetch went; None if the sampler did not choose.
        """
        self._proposing.observe(seconds)
        self._proposals.labels(sampler, used).inc()
        if preparation is not None:
            self._preparations.labels(preparation).inc()

    def claimed(self, seconds: float, *, given: bool) -> None:
        """Record a claim that looked for an attempt, and whether there was one."""
        self._claims.labels("given" if given else "none").observe(seconds)

    def calling(self, call: WorkerCall) -> AbstractContextManager[object]:
        """Return a context that times another kind of call from a worker, however it ends."""
        return self._calls.labels(call).time()

    def lost_lease(self) -> None:
        """Record an attempt that was given up because its lease expired."""
        self._lost_leases.inc()

    def retried(self, cause: Cause) -> None:
        """Record an attempt that ended with `cause` and is followed by another one."""
        self._retries.labels(cause).inc()

    def answered(self, method: str, route: str, status: int) -> None:
        """Record an answered request; `route` is the template, of which there are only so many."""
        self._answers.labels(method, route, status).inc()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=BUCKETS_S)

    def _show_zeros(self) -> None:
        """Report what never happened as 0: a rate needs a first value."""
        for cause in get_args(Cause):
            self._retries.labels(cause)
        for preparation in get_args(Preparation):
            self._preparations.labels(preparation)
        for call in get_args(WorkerCall):
            self._calls.labels(call)
        for result in ("given", "none"):
            self._claims.labels(result)
