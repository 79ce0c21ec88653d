"""What the trials of an earlier study count as: a value, infeasible, or nothing.

| trial                            | counts as                                               |
|----------------------------------|---------------------------------------------------------|
| complete                         | its value                                               |
| pruned                           | its value at the last rung that it reached, or nothing   |
| fail: oom, timeout, diverged     | infeasible: the parameters did it                       |
| fail: constraint                 | the same                                                |
| any other                        | nothing: left out, with the reason                      |

A pruned value can only be compared with those of other trials at the same step. A rung is such a
step; the trials that continued have a value there, too. If these did not end better than trials
that no rung has judged, the rung predicts nothing, and trials that stopped there are left out.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tuner.history.store.records import Curve, Goal, HistoricTrial
from tuner.surrogate.history.source import FINAL
from tuner.trials.causes import Blame, policy_of

#: The cause of an imported trial that violates a constraint: its parameters are to blame.
CONSTRAINT = "constraint"
#: To judge a rung, at least the first number of trials must have ended with and without a value
#: there, and those with one must be better in at least the second share of all pairs.
_COMPARED, _BETTER = 3, 0.6
#: Minimum number of trials that ran to their end for a study without the stopped ones.
_ENOUGH = 5
#: Maximum number of rungs of one study; between two, a pruned trial counts at the lower one.
MAX_RUNGS = 4

#: Why a trial is left out, with the words for a receipt.
REASONS: dict[str, str] = {
    "running": "not ended",
    "no-metric": "ended without the metric",
    "no-report": "pruned before its first report",
    "no-step": "pruned, and nobody recorded when",
    "early": "stopped where early values do not predict the end",
    "machine": "failed by the machine's fault",
    "error": "failed by an error in the code",
    "cancelled": "cancelled",
    "failed": "failed, nobody knows why",
    "repeat": "recorded twice",
    "few-parameters": "has fewer than half of the parameters",
    "far": "lies far outside this study's ranges",
    "limit": "one of too many; those kept are the best and a fair choice of the rest",
}

#: Why a failure is left out, by what is to blame; empty: it counts as infeasible.
_LEFT_OUT: dict[Blame, str] = {
    "parameters": "",
    "machine": "machine",
    "code": "error",
    "user": "cancelled",
}


@dataclass
class Outcomes:
    """The trials that count, as parallel lists. Filled while the trials are read.

    Attributes:
        values: their values as recorded; NaN: infeasible, or pruned (its value is in `curves`).
        curves: curves of the metric; empty if there is none.
        dropped: number of trials left out, by reason.
    """

    trials: list[HistoricTrial] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, trial: HistoricTrial, value: float, curve: Curve) -> None:
        """Add a trial that counts."""
        self.trials.append(trial)
        self.values.append(value)
        self.curves.append(curve)

    def keep(self, chosen: Iterable[int], reason: str) -> Outcomes:
        """Return only the chosen ones; the others are left out with `reason`."""
        kept = list(chosen)
        dropped = self.dropped.copy()
        if len(kept) < len(self.trials):
            dropped[reason] += len(self.trials) - len(kept)
        return Outcomes(
            [self.trials[i] for i in kept],
            [self.values[i] for i in kept],
            [self.curves[i] for i in kept],
            dropped,
        )


@dataclass(frozen=True, kw_only=True)
class OutcomeRows:
    """One row for each value that counts: trial (an index of `Outcomes`), value, rung."""

    trials: list[int]
    values: list[float]
    rungs: list[int]


def read_outcomes(trials: Iterable[HistoricTrial], metric: str) -> Outcomes:
    """Return the trials that count for a metric, and the number of others."""
    found = Outcomes()
    seen: set[object] = set()
    for trial in trials:
        curve = trial.curves.get(metric, ())
        value, reason = _value(trial, metric, curve)
        if not reason:
            mark = _mark(trial, value)
            reason = "repeat" if mark in seen else ""
            seen.add(mark)
        if reason:
            found.dropped[reason] += 1
        else:
            found.add(trial, value, curve)
    return found


def _value(trial: HistoricTrial, metric: str, curve: Curve) -> tuple[float, str]:
    """Return the value, and why the trial is left out, empty if it is not."""
    if trial.state == "complete":
        value = trial.metrics.get(metric, math.nan)
        return value, "" if math.isfinite(value) else "no-metric"
    if trial.state == "pruned":
        reason = "no-step" if metric in trial.metrics else "no-report"
        return math.nan, "" if curve else reason
    if trial.state == "running":
        return math.nan, "running"
    return math.nan, _failure(trial.cause)


def _failure(cause: str | None) -> str:
    if cause == CONSTRAINT:
        return ""
    policy = policy_of(cause)
    return "failed" if policy is None else _LEFT_OUT[policy.blame]


def _mark(trial: HistoricTrial, value: float) -> object:
    """Return what two records of one run share; a repeated measurement has another start time."""
    shown = None if math.isnan(value) else value
    what = (trial.state, trial.cause, shown)
    return (frozenset(trial.params.items()), what, trial.started, trial.finished)


def without_misleading(outcomes: Outcomes, goal: Goal) -> Outcomes:
    """Return the trials without those stopped at a rung that predicts nothing.

    An example is Hyperband's first bracket, in which the best after two epochs continued. If the
    project also has complete trainings that were never judged so early, and these ended equally
    well, the first two epochs say nothing about the others.
    """
    whole = [
        i
        for i, trial in enumerate(outcomes.trials)
        if trial.state == "complete" and math.isfinite(outcomes.values[i])
    ]
    if len(whole) < _ENOUGH:
        return outcomes
    ends = {
        i: outcomes.curves[i][-1][0] for i, t in enumerate(outcomes.trials) if t.state == "pruned"
    }
    sign = -1.0 if goal == "maximize" else 1.0
    verdicts = [(rung, _foretells(outcomes, whole, rung, sign)) for rung in set(ends.values())]
    # All rungs before a misleading one are even more misleading.
    last = max((rung for rung, foretells in verdicts if not foretells), default=-math.inf)
    kept = [i for i in range(len(outcomes.trials)) if ends.get(i, math.inf) > last]
    return outcomes.keep(kept, "early")


def _foretells(outcomes: Outcomes, whole: Sequence[int], rung: int, sign: float) -> bool:
    """Whether complete trials with a value at a rung ended better than others, if that shows."""
    judged: list[float] = []
    others: list[float] = []
    for index in whole:
        curve = outcomes.curves[index]
        has_value = bool(curve) and curve[0][0] <= rung < curve[-1][0]
        (judged if has_value else others).append(sign * outcomes.values[index])
    if min(len(judged), len(others)) < _COMPARED:
        return True
    wins = sum((a < b) + 0.5 * (a == b) for a in judged for b in others)
    return wins >= _BETTER * len(judged) * len(others)


def make_rows(outcomes: Outcomes) -> OutcomeRows:
    """Return a row for each trial, then one for each complete trial at each rung of pruned ones.

    The second kind shows how trials ended that had the standing of a pruned one.
    """
    pruned = [i for i, trial in enumerate(outcomes.trials) if trial.state == "pruned"]
    rungs = _choose_rungs([outcomes.curves[i][-1][0] for i in pruned])
    rows = OutcomeRows(trials=[], values=[], rungs=[])
    for index, trial in enumerate(outcomes.trials):
        if trial.state == "pruned":
            rung = rungs[bisect_right(rungs, outcomes.curves[index][-1][0]) - 1]
            _add(rows, index, _value_at(outcomes.curves[index], rung), rung)
        else:
            _add(rows, index, outcomes.values[index], FINAL)
    for index, trial in enumerate(outcomes.trials):
        curve = outcomes.curves[index] if trial.state == "complete" else ()
        for rung in rungs:
            if curve and curve[0][0] <= rung <= curve[-1][0]:
                _add(rows, index, _value_at(curve, rung), rung)
    return rows


def _add(rows: OutcomeRows, trial: int, value: float, rung: int) -> None:
    rows.trials.append(trial)
    rows.values.append(value)
    rows.rungs.append(rung)


def _choose_rungs(ends: Sequence[int]) -> list[int]:
    """Return at most `MAX_RUNGS` steps, the first of them not above any end."""
    steps = sorted(set(ends))
    if len(steps) <= MAX_RUNGS:
        return steps
    by_trial = sorted(ends)
    return sorted({by_trial[len(by_trial) * part // MAX_RUNGS] for part in range(MAX_RUNGS)})


def _value_at(curve: Curve, step: int) -> float:
    """Return the last value reported up to a step, or the first one if there was none."""
    position = bisect_right(curve, (step, math.inf))
    return curve[max(position - 1, 0)][1]
