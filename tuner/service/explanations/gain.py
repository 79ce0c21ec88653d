"""What history gained a study: its results compared with those of simulated cold starts.

Nobody ran the study again without history, so `tuner.service.explanations.shadows` simulates that,
on what the study has found out about its objective. Trials saved are the trials that a cold start
needs to reach a goal, minus those that the study needed. They are given as a median and the range
of the middle 80 %.

The goal is equally fair to both: the study's best value or, if cold starts do not get as far in as
many trials, the value that they reach. A goal beyond that would be reached by luck, or by a model's
extrapolation to what nobody has tried. A value within `NEAR` standard deviations of the results
counts as reaching it, because the last digits of a best value are luck too.

History is credited with what it chose: trials that were proposed by history alone or by a model
that relied on it. If it chose none, it gained nothing. If it chose some, and none of these was
better than what a cold start has by then, the later trials were the study's own work, and the
trials that history chose are its cost.

docs/explain.md has measurements of this estimate against real cold starts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tuner.documents.explanations.gain import Gain, GainMark, Range
from tuner.samplers.bayesian.data import TrainingData, gather
from tuner.samplers.bayesian.mixture import MEMBERS
from tuner.samplers.bayesian.observations import ObservationReader
from tuner.samplers.bayesian.space.adapter import OptunaSpaceAdapter, declared
from tuner.service.explanations.shadows import cold_starts
from tuner.space import SearchSpace
from tuner.space.optuna import to_optuna
from tuner.surrogate.columns import Flags, Floats
from tuner.surrogate.gaussian.gp import fit_gps

#: Minimum number of results for an estimate, and the maximum number used.
LEAST = 5
MOST = 300
SHADOWS = 40
#: Number of trials of a cold start, as a multiple of the study's, and its maximum.
_LONGER, _LONGEST = 3, 120
#: The quantiles that are given with a median.
RANGE = (0.1, 0.9)
#: A value counts as reaching the goal within this many standard deviations of the results, or
#: within the noise of a result.
NEAR = 0.05
#: History chose a trial if it had at least this share in it.
RELIED_ON = 0.2
#: Numbers of trials after which the best values are compared.
MARKS = (1, 2, 3, 5, 8, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300)

METHOD = (
    "cold starts are simulated on a model of this study's own results, drawn "
    f"{SHADOWS} times; ranges hold the middle 80 % of them"
)


@dataclass(frozen=True, eq=False)
class Results:
    """The results of a study, in the order in which they arrived; failed trials are left out.

    Attributes:
        maximize: whether larger values are better.
        values: final values; for a pruned trial any number, which is ignored.
        reports: the reports of each trial, by step; None: there are none.
        pruned: which trials were pruned; None: none was.
        history: the share of history in each choice, 0 to 1; None: unknown, treated as 1 for all.
    """

    space: SearchSpace
    maximize: bool
    params: Sequence[Mapping[str, Any]]
    values: Sequence[float]
    reports: Sequence[Mapping[int, float]] | None = None
    pruned: Sequence[bool] | None = None
    history: Sequence[float] | None = None

    def __len__(self) -> int:
        return min(len(self.values), MOST)

    @property
    def sign(self) -> float:
        """-1 if the study maximizes: everything is minimized here."""
        return -1.0 if self.maximize else 1.0

    @property
    def finals(self) -> Floats:
        """Final values to minimize; infinite for trials without a result, shape (n,)."""
        found = self.sign * np.array(self.values[: len(self)], dtype=float)
        found[self.was_pruned | ~np.isfinite(found)] = np.inf
        return found

    @property
    def was_pruned(self) -> Flags:
        """Which trials were pruned, shape (n,)."""
        if self.pruned is None:
            return np.zeros(len(self), dtype=bool)
        return np.array(self.pruned[: len(self)], dtype=bool)

    @property
    def by_history(self) -> Flags:
        """Which trials history chose, shape (n,)."""
        if self.history is None:
            return np.ones(len(self), dtype=bool)
        return np.array(self.history[: len(self)], dtype=float) >= RELIED_ON


def estimate_gain(results: Results) -> Gain | None:
    """Return how the study compares with cold starts; None: too few results, or all equal."""
    finals = results.finals
    if not np.isfinite(finals).any():
        return None
    if not results.by_history.any():
        return _nothing(results)
    dialect = declared(results.space)
    if len(results) < LEAST or not len(dialect.encoding):
        return None
    with contextlib.suppress(np.linalg.LinAlgError):
        data = data_of(results, dialect)
        if not data.scales[0].is_flat and np.isfinite(data.z).all():
            return _estimate(results, dialect, data)
    return None


def _nothing(results: Results) -> Gain:
    """Return a gain of nothing, because history chose nothing."""
    best = float(results.finals.min())
    reached_at = int(results.finals.argmin()) + 1
    return {
        "method": "history chose none of the trials: there is nothing to compare",
        "trials": len(results),
        "chosen": 0,
        "best": results.sign * best,
        "reached_at": reached_at,
        "goal": results.sign * best,
        "cold_trials": _spread(np.array([reached_at])),
        "saved": _spread(np.zeros(1)),
        "verdict": "none",
        "not_reached": 0.0,
        "within": len(results),
        "curve": [],
    }


def data_of(results: Results, dialect: OptunaSpaceAdapter) -> TrainingData:
    """Return the results as input of the sampler's models, with expected ends of pruned trials."""
    trials = [_frozen(results, dialect, index) for index in range(len(results))]
    direction = StudyDirection.MAXIMIZE if results.maximize else StudyDirection.MINIMIZE
    return gather(
        dialect.encoding.columns, ObservationReader(dialect, [direction], {}).read(trials, -1)
    )


def _frozen(results: Results, dialect: OptunaSpaceAdapter, index: int) -> FrozenTrial:
    params = {
        name: to_optuna(results.space[name], value)
        for name, value in results.params[index].items()
        if name in dialect.distributions
    }
    reports = {} if results.reports is None else results.reports[index]
    is_pruned = bool(results.was_pruned[index])
    trial = optuna.trial.create_trial(
        state=TrialState.PRUNED if is_pruned else TrialState.COMPLETE,
        value=None if is_pruned else float(results.values[index]),
        params=params,
        distributions={name: dialect.distributions[name] for name in params},
        intermediate_values=dict(reports),
    )
    trial.number = index
    return trial


def _estimate(results: Results, dialect: OptunaSpaceAdapter, data: TrainingData) -> Gain:
    encoding, scale, finals = dialect.encoding, data.scales[0], results.finals
    members = fit_gps(
        encoding.columns,
        data.x,
        data.z[:, 0],
        counts=data.counts,
        extra=data.extra,
        members=MEMBERS,
    )
    n = len(results)
    within = max(min(_LONGER * n, _LONGEST), n)
    shadows = scale.value(cold_starts(members, encoding, shadows=SHADOWS, trials=within))
    z_best = float(data.z[data.extra == 0.0, 0].min())
    best = float(scale.value(np.array([z_best + near(members[0][1].hyper.noise)]))[0])
    goal = max(best, float(finals.min()), float(np.median(shadows[:, n - 1])))
    reached_at = int(np.argmax(finals <= goal)) + 1
    needed = _needed(shadows, goal)
    saved = np.minimum(needed, within) - reached_at
    # What exceeds history's possible merit was luck: shift the whole range.
    saved = saved - max(float(np.median(saved)) - _credit(results, goal, shadows), 0.0)
    middle = round(float(np.median(saved)))
    return {
        "method": METHOD,
        "trials": n,
        "chosen": int(results.by_history.sum()),
        "best": results.sign * float(finals.min()),
        "reached_at": reached_at,
        "goal": results.sign * goal,
        "cold_trials": _spread(saved + reached_at),
        "saved": _spread(saved),
        "verdict": "saved" if middle > 0 else "cost" if middle < 0 else "even",
        "not_reached": float(np.mean(needed > within)),
        "within": within,
        "curve": _curve(results, shadows),
    }


def near(noise: float) -> float:
    """Return how near to the best value counts as reaching it, for a variance of the noise.

    The best of noisy results was lucky by about one deviation, which is not a merit of the search.
    """
    return max(NEAR, float(np.sqrt(noise)))


def _credit(results: Results, goal: float, shadows: Floats) -> float:
    """Return an upper bound for what history can have saved, from the trials that it chose.

    Args:
        goal: the value that counts as reached.
        shadows: best values of cold starts, shape (shadows, trials).

    Returns:
        No limit if one of its trials was the best so far, and better than the median cold start
        after as many trials; otherwise 0 or less: the trials that it cost.
    """
    finals, chosen = results.finals, results.by_history
    reached_at = int(np.argmax(finals <= goal)) + 1
    so_far = np.minimum.accumulate(finals)
    cold = np.median(shadows, axis=0)
    leads = chosen & (finals <= so_far) & (finals < cold[: len(finals)])
    if leads[:reached_at].any():
        return float("inf")
    if chosen[reached_at - 1]:
        return 0.0
    return -float(chosen[:reached_at].sum())


def _needed(shadows: Floats, goal: float) -> Floats:
    """Return the number of trials after which each shadow reaches `goal`; all plus one if never."""
    reached = shadows <= goal
    needed: Floats = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, shadows.shape[1] + 1)
    return needed


def _curve(results: Results, shadows: Floats) -> list[GainMark]:
    """Return the best values after some numbers of trials, from the first complete trial on."""
    finals, sign = results.finals, results.sign
    known = finals[np.isfinite(finals)]
    so_far = np.minimum.accumulate(finals)
    marks = [mark for mark in MARKS if mark < len(finals)] + [len(finals)]
    return [
        {
            "trials": mark,
            "best": sign * float(so_far[mark - 1]),
            # What lies beyond all results of the study is only a model's extrapolation.
            "cold": _spread(sign * np.clip(shadows[:, mark - 1], known.min(), known.max())),
        }
        for mark in marks
        if np.isfinite(so_far[mark - 1])
    ]


def _spread(values: Floats) -> Range:
    low, middle, high = np.quantile(values, (RANGE[0], 0.5, RANGE[1]))
    return {"median": float(middle), "low": float(low), "high": float(high)}
