"""How near the estimate of what history gained comes to cold starts that are really made.

`tuner explain` simulates a cold start on what a study has found (`tuner.service.gain`). Here each
study gets real ones: runs of the same sampler without history, until they come as far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.figure import Figure
from tests.benchmarks.sampler.history.building import HistorySpec, StudyMaker, build_history
from tests.benchmarks.sampler.methods import make_method
from tests.benchmarks.sampler.methods.method import Problem
from tests.benchmarks.sampler.play import Played, play
from tests.benchmarks.sampler.tasks.task import Task
from tuner.service.gain import Results, estimate_gain

#: Trials of a study, real cold starts of each, and their trials at most.
_TRIALS, _COLD, _WITHIN = 30, 3, 90
_HISTORY = HistorySpec.parse("related:8x50")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One study: what was estimated of its cold starts, and how long the real ones took."""

    reached_at: int
    estimated: float
    low: float
    high: float
    needed: float

    @property
    def is_covered(self) -> bool:
        """Whether the range that is stated holds the real number; both end at `_WITHIN`."""
        return min(self.low, _WITHIN) <= self.needed <= self.high

    @property
    def ratio(self) -> float:
        """The estimate over the real number."""
        return min(self.estimated, _WITHIN) / self.needed


def measure(families: Sequence[Sequence[Task]], per_family: int, maker: StudyMaker) -> list[Figure]:
    """Return the figures for the first targets of each family; tables of points are left out."""
    with_history, without = [], []
    for tasks in families:
        targets = [task for task in tasks if task.healthy and task.pool is None]
        for task in targets[:per_family]:
            sources = build_history(task, tasks, _HISTORY, 0, maker)
            warm = Problem(space=task.space, seed=1000, trials=_TRIALS, history=sources)
            with_history += _case(task, "warm", warm)
            without += _case(task, "cold", Problem(space=task.space, seed=2000, trials=_TRIALS))
    note = f"{len(with_history) + len(without)} studies of {_TRIALS} trials"
    return [
        Figure(
            name="ranges that hold the real number",
            value=float(np.mean([case.is_covered for case in with_history + without])),
            unit="",
            better="high",
            limit=0.7,
            note=f"{note}; 0.8 is stated",
        ),
        *_ratios("with history", with_history),
        *_ratios("without history", without),
        Figure(
            name="trials that studies without history are said to have saved",
            value=float(np.median([case.estimated - case.reached_at for case in without])),
            unit="",
            note="median; the best of a study is partly luck",
        ),
    ]


def _case(task: Task, method: str, problem: Problem) -> list[Case]:
    """Return the case of one study; none where nothing can be estimated."""
    played = _play(task, method, problem, _TRIALS)
    found = estimate_gain(Results(task.space, False, played.params, played.values))
    if found is None:
        return []
    needed = []
    for seed in range(_COLD):
        cold = Problem(space=task.space, seed=3000 + seed, trials=_WITHIN)
        reached = np.array(_play(task, "cold", cold, _WITHIN).values) <= found["goal"]
        needed.append(int(reached.argmax()) + 1 if reached.any() else _WITHIN)
    trials = found["cold_trials"]
    return [
        Case(
            reached_at=found["reached_at"],
            estimated=trials["median"],
            low=trials["low"],
            high=trials["high"],
            needed=float(np.median(needed)),
        )
    ]


def _play(task: Task, method: str, problem: Problem, trials: int) -> Played:
    return play(task, make_method(method, problem), trials=trials, pending=1, seed=problem.seed)


def _ratios(name: str, cases: Sequence[Case]) -> list[Figure]:
    ratios = np.array([case.ratio for case in cases])
    spread = " to ".join(f"{value:.2f}" for value in np.quantile(ratios, (0.1, 0.9)))
    return [
        Figure(
            name=f"estimate over real number, {name}",
            value=float(np.median(ratios)),
            unit="x",
            note=f"median of {len(cases)}; middle 80 %: {spread}",
        )
    ]
