"""What an ended trial reported, and the rungs at which trials were stopped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from optuna.trial import FrozenTrial

#: Minimum ratio between neighbouring rungs, and the maximum number of rungs to compare trials at.
_RATIO, _MOST = 1.5, 8
#: Minimum number of trials that have reached a rung; the lowest one is exempt.
_LEAST = 3
#: Two values are equal if they differ by less than this share of their size.
_SAME = 1e-9


@dataclass(frozen=True, eq=False)
class ProgressCurve:
    """The reports of one ended trial. Values are finite, smaller is better.

    Attributes:
        reports: values by ascending progress: steps as reported, or epochs (see `in_epochs`).
        final: the objective's value; None if the trial was stopped.
    """

    number: int
    reports: Mapping[float, float]
    final: float | None

    @property
    def length(self) -> float:
        """The progress of the last report; 0 without one."""
        return max(self.reports, default=0.0)

    def at(self, progress: float) -> float:
        """Return the last value reported up to `progress`; NaN without a report so early."""
        if self.length < progress:
            return math.nan
        known = [at for at in self.reports if at <= progress]
        return self.reports[max(known)] if known else math.nan


def finite_reports(trial: FrozenTrial, sign: float = 1.0) -> dict[float, float]:
    """Return the finite reports of a trial, times `sign`, by ascending step."""
    reports = sorted(trial.intermediate_values.items())
    return {float(step): sign * value for step, value in reports if math.isfinite(value)}


def in_epochs(curves: Sequence[ProgressCurve]) -> list[ProgressCurve]:
    """Return the curves with progress in units of the usual report interval, starting at 1 or more.

    Steps may count from 0 or from 1 000, and may be epochs or thousands of batches: all that
    matters is how far a trial has come compared with the others.
    """
    firsts = [min(curve.reports) for curve in curves if curve.reports]
    if not firsts:
        return list(curves)
    gaps = [b - a for curve in curves for a, b in pairwise(sorted(curve.reports))]
    gap = float(np.median(gaps)) if gaps else max(min(firsts), 1.0)
    start = min(firsts)
    # Steps 100, 200, 300 start at 0; steps 1 000, 1 001, 1 002 at 999.
    origin = start - gap
    return [
        replace(curve, reports={(at - origin) / gap: v for at, v in sorted(curve.reports.items())})
        for curve in curves
    ]


def as_judged(curves: Sequence[ProgressCurve]) -> list[ProgressCurve]:
    """Return the curves as running best values, if the objective is the best value.

    Keras objectives usually return the best epoch. The value of a single epoch is then a noisier
    predictor than the best one so far.
    """
    best = last = 0
    for curve in curves:
        if curve.final is None or not curve.reports:
            continue
        ends = min(curve.reports.values()), curve.reports[curve.length]
        if not _is_same(*ends):
            best += _is_same(curve.final, ends[0])
            last += _is_same(curve.final, ends[1])
    if best <= last:
        return list(curves)
    return [replace(curve, reports=_best_so_far(curve.reports)) for curve in curves]


def rungs_of(curves: Sequence[ProgressCurve]) -> list[float]:
    """Return the rungs, ascending: progress at which trials were stopped, including the first one.

    This requires no knowledge of the pruner. Empty if no trial was stopped after a report.
    """
    stops = sorted({c.length for c in curves if c.final is None and c.reports}, reverse=True)
    if not stops:
        return []
    kept: list[float] = []
    for stop in stops[:-1]:
        is_apart = not kept or kept[-1] >= _RATIO * stop
        if is_apart and sum(curve.length >= stop for curve in curves) >= _LEAST:
            kept.append(stop)
    return [stops[-1], *kept[::-1][: _MOST - 1]]


def _best_so_far(reports: Mapping[float, float]) -> dict[float, float]:
    lowest = np.minimum.accumulate(np.array(list(reports.values())))
    return dict(zip(reports, map(float, lowest), strict=True))


def _is_same(left: float, right: float) -> bool:
    return math.isclose(left, right, rel_tol=_SAME)
