"""How near the estimate of what history gained comes to cold starts that are really made.

`tuner explain` simulates cold starts on what a study has found (`tuner.service.explanations.gain`).
Here each study gets real ones: runs of the same sampler without history, until they come as far.
Studies have related history, misleading history, and none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tests.benchmarks.figure import Figure
from tests.benchmarks.sampler.history.building import HistorySpec, StudyMaker, build_history
from tests.benchmarks.sampler.methods import make_method
from tests.benchmarks.sampler.methods.method import Problem
from tests.benchmarks.sampler.play import Played, play
from tests.benchmarks.sampler.tasks.task import Task
from tuner.service.explanations.gain import Results, estimate_gain
from tuner.surrogate.columns import Floats

#: Trials of a study, real cold starts of each task, and their trials at most.
_TRIALS, _COLD, _WITHIN = 30, 5, 90
_HISTORY = "8x50"
_MISLEADING = ("unrelated", "inverted", "noise")
#: A receipt claims a gain from so many trials on.
_CLAIM = 2


@dataclass(frozen=True, kw_only=True)
class Case:
    """One study: what was estimated of its cold starts, and how long the real ones took.

    Attributes:
        kind: of the history, `none` without.
        estimated, low, high: trials of a cold start to the goal, as if history had chosen all.
        needed: trials of each real one, shape (cold starts,).
        told: trials saved, as the receipt says it; `saved` is the real number.
    """

    kind: str
    estimated: float
    low: float
    high: float
    needed: Floats
    told: float
    saved: float

    @property
    def held(self) -> float:
        """The share of the real numbers that the stated range holds; both end at `_WITHIN`."""
        holds = (min(self.low, _WITHIN) <= self.needed) & (self.needed <= self.high)
        return float(np.mean(holds))

    @property
    def ratio(self) -> float:
        """The estimate over the middle real number."""
        return min(self.estimated, _WITHIN) / float(np.median(self.needed))


def measure(families: Sequence[Sequence[Task]], per_family: int, maker: StudyMaker) -> list[Figure]:
    """Return the figures for the first targets of each family; tables of points are left out."""
    cases: list[Case] = []
    index = 0
    for tasks in families:
        targets = [task for task in tasks if task.healthy and task.pool is None]
        for task in targets[:per_family]:
            cold = _cold_starts(task)
            for kind in ("related", _MISLEADING[index % len(_MISLEADING)], "none"):
                cases += _case(task, tasks, kind, cold, maker)
            index += 1
    return figures(cases)


def figures(cases: Sequence[Case]) -> list[Figure]:
    """Return what is said of some cases."""
    ratios = np.array([case.ratio for case in cases])
    middle = float(np.median(ratios))
    note = f"{len(cases)} studies of {_TRIALS} trials"
    false = [case for case in cases if case.told >= _CLAIM and case.saved <= 0]
    cold = [case for case in cases if case.kind == "none"]
    return [
        Figure(
            name="middle of estimate over real number, or of its inverse",
            value=max(middle, 1.0 / middle),
            unit="x",
            limit=1.25,
            note=note,
        ),
        Figure(
            name="real numbers in the stated ranges",
            value=float(np.mean([case.held for case in cases])),
            unit="",
            better="high",
            limit=0.75,
            note=f"{note}, {_COLD} cold starts each; 0.8 is stated",
        ),
        *[
            _ratio(kind, [case for case in cases if case.kind == kind])
            for kind in dict.fromkeys(case.kind for case in cases)
        ],
        Figure(
            name=f"studies that were told of {_CLAIM} trials saved or more, and had saved none",
            value=float(len(false)),
            unit="",
            note=f"of {len(cases)}",
        ),
        Figure(
            name="trials that studies without history are told to have saved, at most",
            value=max((case.told for case in cold), default=0.0),
            unit="",
            limit=0.0,
        ),
    ]


def _ratio(kind: str, cases: Sequence[Case]) -> Figure:
    ratios = np.array([case.ratio for case in cases])
    spread = " to ".join(f"{value:.2f}" for value in np.quantile(ratios, (0.1, 0.9)))
    told, saved = (
        float(np.median([getattr(case, name) for case in cases])) for name in ("told", "saved")
    )
    return Figure(
        name=f"estimate over real number, history {kind}",
        value=float(np.median(ratios)),
        unit="x",
        note=f"median of {len(cases)}; middle 80 %: {spread}; told {told:.0f}, saved {saved:.0f}",
    )


def _cold_starts(task: Task) -> list[Floats]:
    """Return the values of real cold starts of a task."""
    found = []
    for seed in range(_COLD):
        problem = Problem(space=task.space, seed=3000 + seed, trials=_WITHIN)
        found.append(np.array(_play(task, "cold", problem, _WITHIN).values))
    return found


def _case(
    task: Task, tasks: Sequence[Task], kind: str, cold: Sequence[Floats], maker: StudyMaker
) -> list[Case]:
    """Return the case of one study; none where nothing can be estimated."""
    spec = HistorySpec() if kind == "none" else HistorySpec.parse(f"{kind}:{_HISTORY}")
    sources = build_history(task, tasks, spec, 0, maker)
    method, seed = ("warm", 1000) if sources else ("cold", 2000)
    problem = Problem(space=task.space, seed=seed, trials=_TRIALS, history=sources)
    played = _play(task, method, problem, _TRIALS)
    results = Results(task.space, False, played.params, played.values)
    found = estimate_gain(results)
    told = estimate_gain(replace(results, history=_say(played)))
    if found is None or told is None:
        return []
    reached = [values <= found["goal"] for values in cold]
    needed = [float(has.argmax()) + 1 if has.any() else _WITHIN for has in reached]
    trials = found["cold_trials"]
    return [
        Case(
            kind=kind,
            estimated=trials["median"],
            low=trials["low"],
            high=trials["high"],
            needed=np.array(needed),
            told=told["saved"]["median"],
            saved=float(np.median(needed)) - found["reached_at"],
        )
    ]


def _say(played: Played) -> list[float]:
    """Return how much say history had in each choice."""
    return [
        1.0 if model == "prior" else (trust or 0.0) if model == "warm+cold" else 0.0
        for model, trust in zip(played.models, played.trust, strict=True)
    ]


def _play(task: Task, method: str, problem: Problem, trials: int) -> Played:
    return play(task, make_method(method, problem), trials=trials, pending=1, seed=problem.seed)
