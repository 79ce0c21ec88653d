"""One run: a method on a task, with one or several trials pending on simulated workers."""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np

from tests.benchmarks.sampler.methods import Method
from tests.benchmarks.sampler.tasks.task import Task
from tuner.space import Params

#: Spread of the logarithm of a trial's duration.
_SPREAD = 0.5


@dataclass
class Played:
    """What a run was, in the order in which the trials finished."""

    values: list[float] = field(default_factory=list)
    params: list[Params] = field(default_factory=list)
    #: Processor seconds of each proposal, in the order in which they were asked for.
    ask_s: list[float] = field(default_factory=list)
    #: Trust in history at each proposal, where the method says it.
    trust: list[float | None] = field(default_factory=list)
    #: What chose each of them, where the method says it: see `tuner.samplers.bayesian.insight`.
    models: list[str | None] = field(default_factory=list)
    #: The interval that was to hold nine of ten values, for each value, where one was foretold.
    foretold: list[tuple[float, float] | None] = field(default_factory=list)


def play(task: Task, method: Method, *, trials: int, pending: int, seed: int) -> Played:
    """Run `trials` trials, never more than `pending` at once.

    A worker that is free asks at once. How long trial number i lasts is drawn from the task and the
    seed: the same for every method.
    """
    rng = np.random.default_rng([crc32(task.key.encode()), seed, 11])
    durations = np.exp(rng.normal(0, _SPREAD, trials))
    played = Played()
    running: list[tuple[float, int, int, Params]] = []
    intervals: dict[int, tuple[float, float] | None] = {}
    now = 0.0
    for number in range(trials + pending):
        if len(running) == pending or number >= trials:
            if not running:
                break
            now, _, ticket, params = heapq.heappop(running)
            value = task.evaluate(params)
            method.tell(ticket, value)
            played.values.append(value)
            played.params.append(params)
            played.foretold.append(intervals[ticket])
        if number < trials:
            ticket, params = _ask(method, played)
            intervals[ticket] = _interval(method)
            heapq.heappush(running, (now + float(durations[number]), number, ticket, params))
    return played


def _ask(method: Method, played: Played) -> tuple[int, Params]:
    start = time.process_time()
    ticket, params = method.ask()
    played.ask_s.append(time.process_time() - start)
    insight: dict[str, Any] = method.insight or {}
    played.trust.append(insight.get("trust"))
    played.models.append(insight.get("model"))
    return ticket, params


def _interval(method: Method) -> tuple[float, float] | None:
    insight: dict[str, Any] = method.insight or {}
    low, high = insight.get("objective_low"), insight.get("objective_high")
    return None if low is None or high is None else (float(low), float(high))
