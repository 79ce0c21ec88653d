"""How long trials take from start to end, relative to their time limit."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from tuner.samplers.bayesian.stopping.curve import ProgressCurve, finite_reports, in_epochs
from tuner.samplers.marks import OVERDUE, TOOK_ATTR
from tuner.surrogate.columns import Flags, Floats
from tuner.trials.causes import CAUSE_ATTR


@dataclass(frozen=True, eq=False)
class Durations:
    """Trials with an informative duration, by ascending number; arrays of shape (n,).

    Attributes:
        shares: natural logarithms of seconds divided by the limit: above 0 a trial takes too long.
        at_least: which trials hit the limit: their duration is a lower bound.
    """

    numbers: tuple[int, ...]
    shares: Floats
    at_least: Flags


def durations(
    trials: Sequence[FrozenTrial],
    limit_s: float,
    declared: Callable[[FrozenTrial], float | None],
) -> Durations:
    """Return how long ended trials take.

    A trial that a pruner stopped counts with what the whole trial would have taken at its own
    speed. Trials that failed for another reason than the limit are left out: they may have failed
    early.

    Args:
        trials: the study's trials by ascending number; `TOOK_ATTR` in their system attributes holds
            how long each took.
        limit_s: the time limit of a trial in seconds, above 0.
        declared: returns the epochs that a trial's parameters declare, None if they do not.
    """
    timed = [trial for trial in trials if _seconds(trial) > 0.0]
    paces = _Paces(timed)
    numbers, shares, at_least = [], [], []
    for trial in timed:
        seconds = _whole(trial, paces, declared)
        if seconds is not None:
            numbers.append(trial.number)
            shares.append(math.log(seconds / limit_s))
            at_least.append(is_overdue(trial))
    return Durations(tuple(numbers), np.array(shares, float), np.array(at_least, bool))


def is_overdue(trial: FrozenTrial) -> bool:
    """Return whether a time limit ended the trial."""
    return bool(trial.system_attrs.get(CAUSE_ATTR) == OVERDUE)


def _whole(
    trial: FrozenTrial, paces: _Paces, declared: Callable[[FrozenTrial], float | None]
) -> float | None:
    if trial.state == TrialState.COMPLETE or is_overdue(trial):
        return _seconds(trial)
    if trial.state == TrialState.PRUNED and CAUSE_ATTR not in trial.system_attrs:
        return paces.whole(trial, declared(trial))
    return None


def _seconds(trial: FrozenTrial) -> float:
    return float(trial.system_attrs.get(TOOK_ATTR, {}).get("seconds") or 0.0)


class _Paces:
    """How fast trials run, and how long they take before their first epoch."""

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        curves = in_epochs([ProgressCurve(t.number, finite_reports(t), None) for t in trials])
        self._curves = {curve.number: curve for curve in curves if curve.reports}
        complete = [t.number for t in trials if t.state == TrialState.COMPLETE]
        lengths = [self._curves[n].length for n in complete if n in self._curves]
        self._usual = statistics.median(lengths) if lengths else None
        starts = []
        for trial in trials:
            pace = self._own(trial)
            if pace is not None:
                epochs = self._curves[trial.number].length
                starts.append(max(0.0, _seconds(trial) - pace * epochs))
        #: A single report does not show how much of the time before it was startup.
        self._start = statistics.median(starts) if starts else None

    def whole(self, trial: FrozenTrial, epochs: float | None) -> float | None:
        """Return the seconds that a stopped trial would have taken; None if unknown.

        Args:
            epochs: number of epochs of the whole trial; None: as many as other trials have.
        """
        curve = self._curves.get(trial.number)
        epochs = epochs or self._usual
        if curve is None or epochs is None:
            return None
        pace = self._own(trial)
        if pace is None and self._start is not None:
            pace = max(0.0, _seconds(trial) - self._start) / curve.length
        if pace is None:
            return None
        return _seconds(trial) + pace * max(0.0, epochs - curve.length)

    def _own(self, trial: FrozenTrial) -> float | None:
        """Return the seconds per epoch; None with a single report, which does not tell."""
        curve = self._curves.get(trial.number)
        reporting = trial.system_attrs[TOOK_ATTR].get("reporting")
        if curve is None or reporting is None:
            return None
        epochs = curve.length - min(curve.reports)
        return float(reporting) / epochs if epochs > 0.0 else None
