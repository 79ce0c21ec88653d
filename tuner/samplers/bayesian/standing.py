"""Where each ended trial stands among all of them, at every rung that it reached and at the end.

Trials that went on from a rung are the good ones. Compared among themselves only, they would pass
for average at the next rung. So those that were stopped before are filled in there, by a line from
rung to rung through the trials that went on, with the scatter around that line.

Notation: z is the standing at a rung, smaller is better; u the standings of trials that went on, t
their values at the next rung, in units of the good half's spread there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from tuner.samplers.bayesian.curve import Curve
from tuner.surrogate.columns import Flags, Floats, Numbers
from tuner.surrogate.warp import Scale, warp_with_scale

#: Prior of the slope of a line, in units of the spreads at both ends: mean and deviation.
_SLOPE, _SLOPE_SPREAD = 0.8, 0.5
#: Prior deviation around a line in the same units, and its weight in trials.
_RESIDUAL, _STRENGTH = 0.4, 4.0
#: The least spread of standings from which a width is told, and the weight of the width before.
_NARROW, _WIDTH_WEIGHT = 0.15, 2.0
#: Reports count as no worse than so many units, where `warp` begins to tame once more: one absurd
#: report must not decide a line.
_BAD = 20.0
#: Values beyond this count as this: their squares must be numbers.
_LARGEST = 1e100
#: The golden section, whose multiples fill an interval evenly.
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True, eq=False)
class Standings:
    """Rows (trial, progress, z) of what is known, and the scale of z at the end.

    Attributes:
        row: index of the trial among the curves, shape (m,).
        progress: from 0 before the first report to 1 at the end, shape (m,).
        z: standing there, smaller is better, shape (m,).
        scale: the way from z at the end back to objective values.
    """

    row: Numbers
    progress: Floats
    z: Floats
    scale: Scale


def standings(curves: Sequence[Curve], rungs: Sequence[float]) -> Standings:
    """Return where each trial stands at each rung that it reached, and at the end.

    Args:
        curves: of trials that reported or ended; at least one.
        rungs: rising. Where no trial went on from a rung, that rung stands for the end.
    """
    longest = max(curve.length for curve in curves)
    known = [(np.array([c.at(rung) for c in curves]), _progress(rung, longest)) for rung in rungs]
    finals = [np.nan if curve.final is None else curve.final for curve in curves]
    ladder = _Ladder(len(curves))
    found = []
    for values, progress in [*known, (np.array(finals), 1.0)]:
        there = np.isfinite(values)
        if there.any():
            ladder.climb(values, there, worst=_BAD if progress < 1.0 else np.inf)
            rows = np.flatnonzero(there)
            found.append((rows, np.full(len(rows), progress), ladder.z[rows]))
    if not there.any():
        found[-1] = (found[-1][0], np.ones(len(found[-1][0])), found[-1][2])
    rows, at, z = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Standings(rows, at, z, ladder.scale)


def _progress(rung: float, longest: float) -> float:
    # Below 1 at the last report too: the end may be judged otherwise than by reports.
    return float(np.log1p(rung) / np.log1p(longest + 1.0))


class _Ladder:
    """Standings of all trials at the rung that was reached last. Mutable."""

    def __init__(self, count: int) -> None:
        #: NaN for trials of which nothing is known yet.
        self.z: Floats = np.full(count, np.nan)
        self.scale = Scale(middle=0.0, unit=1.0, mean=0.0, deviation=0.0)
        #: Variance of each standing, in units of the squared spread: 0 where it is known.
        self._rest: Floats = np.zeros(count)

    def climb(self, values: Floats, there: Flags, worst: float) -> None:
        """Go on to the next rung.

        Args:
            values: of the trials there, shape (n,), NaN for those that did not come so far.
            there: which trials did.
            worst: values count as no worse than so many units of the good half's spread.
        """
        values = np.clip(values, -_LARGEST, _LARGEST)
        own = warp_with_scale(values[there])[1]
        t = np.minimum((values - own.middle) / own.unit, worst)
        guess = np.isfinite(self.z) & ~there
        if guess.any():
            t, scattered = self._fill(t, there, guess, own)
            full = own.middle + own.unit * np.where(guess, scattered, t)
            self.scale = warp_with_scale(full[there | guess])[1]
        else:
            self.scale = own
        self._rest = np.where(there, 0.0, self._rest)
        self.z = np.where(
            there | guess, self.scale.z(np.nan_to_num(own.middle + own.unit * t)), np.nan
        )

    def _fill(self, t: Floats, there: Flags, guess: Flags, own: Scale) -> tuple[Floats, Floats]:
        """Return `t` with what the others would have come to, and the same with their scatter.

        Regressing on what the selection looked at keeps the line unbiased. The scatter keeps
        guesses that are equal from passing for certain.
        """
        both = there & np.isfinite(self.z)
        u, went_on, n = self.z[both], t[both], int(both.sum())
        before = self.scale.unit * max(self.scale.deviation, 0.0) / own.unit
        width = float(went_on.std()) / max(float(u.std()), _NARROW) if n > 2 else before
        width = (width * n + before * _WIDTH_WEIGHT) / (n + _WIDTH_WEIGHT)
        width = width if np.isfinite(width) and width > 0 else 1.0
        centre = float(u.mean()) if n else 0.0
        level = float(went_on.mean()) if n else float(t[there].mean())
        across, up = u - centre, (went_on - level) / width
        prior = _SLOPE_SPREAD**-2
        told = float(across @ up) / _RESIDUAL**2, float(across @ across) / _RESIDUAL**2
        slope = max((prior * _SLOPE + told[0]) / (prior + told[1]), 0.0)
        misses = float(np.sum((up - slope * across) ** 2))
        around = (_STRENGTH * _RESIDUAL**2 + misses) / (_STRENGTH + max(n - 1, 0))
        self._rest = np.where(there, 0.0, around + slope**2 * self._rest)
        filled = np.where(guess, level + width * slope * (self.z - centre), t)
        # Order by standing, so that neighbours are scattered differently; the same every time.
        order = np.argsort(np.argsort(np.where(guess, self.z, np.inf), kind="stable"))
        quantile = 0.01 + 0.98 * (order * _GOLDEN % 1.0)
        return filled, filled + ndtri(quantile) * np.sqrt(self._rest) * width
