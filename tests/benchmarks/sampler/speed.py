"""How long proposals take beside a long history, and what the history costs to prepare.

All times are processor time of this process; run it with one thread for BLAS
(`OMP_NUM_THREADS=1`), as `make bench-sampler` does.
"""

from __future__ import annotations

import os
import time
from collections.abc import MutableMapping
from typing import Any

import numpy as np

from tests.benchmarks.figure import Figure, quantile
from tests.benchmarks.machine import resident_mb
from tests.benchmarks.sampler.methods.optuna_samplers import OptunaMethod
from tests.benchmarks.sampler.play import Played, play
from tests.benchmarks.sampler.tasks.continuous import related_tasks
from tests.benchmarks.sampler.tasks.task import Task, sample
from tuner.samplers.bayesian import BayesianSampler
from tuner.space.encoding import Encoding
from tuner.surrogate.history.building import build_prior
from tuner.surrogate.history.prior import Prior
from tuner.surrogate.history.source import Source

_FAMILY = "hartmann6"
_PENDING = 3
_CANDIDATES = 2048
#: Proposals by how many trials there are, and the most that their 95th percentile may be, ms.
_PARTS = ((0, 50, 60.0), (50, 100, 60.0), (100, 150, None), (150, 200, 150.0))


def measure(studies: int, trials: int) -> list[Figure]:
    """Return the figures of a history of `studies` studies of `trials` random trials each."""
    tasks = related_tasks(_FAMILY, studies + 2)
    target = tasks[0]
    encoding = Encoding(target.space)
    sources = [_source(encoding, task, trials) for task in tasks[1:]]
    note = f"{studies} studies of {trials} trials, {len(encoding)} parameters"
    cache: dict[Any, Any] = {}
    before = resident_mb(os.getpid())
    prior, first_s = _build(encoding, sources[:-1], cache)
    grown = resident_mb(os.getpid()) - before
    prior, again_s = _build(encoding, sources, cache)
    return [
        Figure(name="artifact of all studies", value=first_s, unit="s", limit=10.0, note=note),
        Figure(name="one more study", value=again_s, unit="s", limit=0.1, note="with the cache"),
        Figure(name="memory for it", value=grown, unit="MB", limit=100.0, note="growth of RSS"),
        Figure(name="size of the artifact", value=len(prior.to_bytes()) / 1e3, unit="kB"),
        *_proposals("with it", target, prior),
        *_proposals("without history", target, None),
    ]


def _source(encoding: Encoding, task: Task, trials: int) -> Source:
    rng = np.random.default_rng(int(task.name))
    params = [sample(task.space, rng) for _ in range(trials)]
    return Source(
        name=task.name,
        x=np.array([encoding.encode(item) for item in params]),
        y=np.array([task.evaluate(item) for item in params]),
    )


def _build(
    encoding: Encoding, sources: list[Source], cache: MutableMapping[Any, Any]
) -> tuple[Prior, float]:
    candidates = encoding.sample(_CANDIDATES, 0)
    start = time.process_time()
    prior = build_prior(encoding.columns, candidates, sources, cache)
    took = time.process_time() - start
    if prior is None:
        raise RuntimeError("no source could be used")
    return prior, took


def _proposals(how: str, target: Task, prior: Prior | None) -> list[Figure]:
    sampler = BayesianSampler(space=target.space, seed=1, prior=prior)
    most = _PARTS[-1][1]
    played = play(
        target,
        OptunaMethod(target.space, sampler),
        trials=most,
        pending=_PENDING + 1,
        seed=0,
    )
    return [
        figure for low, high, limit in _PARTS for figure in _part(how, played, low, high, limit)
    ]


def _part(how: str, played: Played, low: int, high: int, limit: float | None) -> list[Figure]:
    times = [1000 * value for value in played.ask_s[low:high]]
    name = f"ask {how}, trials {low + 1} to {high}"
    note = f"{_PENDING} pending, {len(times)} proposals"
    return [
        Figure(name=f"{name}, p50", value=quantile(times, 0.5), unit="ms", note=note),
        Figure(name=f"{name}, p95", value=quantile(times, 0.95), unit="ms", limit=limit, note=note),
    ]
