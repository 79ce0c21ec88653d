"""The standing of each ended trial among all of them, at every rung that it reached and at the end.

Trials that continue from a rung are the good ones. Compared only among themselves, they would look
average at the next rung. So the trials that were stopped before are filled in there, with a line
from rung to rung through the trials that continued, and with the scatter around that line.

Notation: z is the standing at a rung, smaller is better; u the standings of trials that continued,
t their values at the next rung, in units of the scale there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from tuner.samplers.bayesian.stopping.curve import ProgressCurve
from tuner.surrogate.columns import Flags, Floats, Numbers
from tuner.surrogate.gaussian import kernel
from tuner.surrogate.history.foretelling import Foretelling
from tuner.surrogate.warp import Scale, warp_with_scale

#: Minimum standard deviation around a line that history may predict.
_LEAST_RESIDUAL = 0.2
#: The correlation with the final value at which a model's progress is 0, where history knows it.
_UNRELATED = 0.05
#: Minimum spread of standings for estimating a width from them, and the weight of the previous
#: width.
_NARROW, _WIDTH_WEIGHT = 0.15, 2.0
#: Reports are clipped at this number of widths (from the best to the upper quartile) above the
#: middle, far beyond where `warp` begins to bend: one absurd report must not decide a line.
_BAD = 5.0
#: Values are clipped to this magnitude: their squares must stay finite.
_LARGEST = 1e100
#: The golden section, whose multiples fill an interval evenly.
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Line:
    """What is expected of the line from a rung to the next before any trial has reached that.

    The slope and its standard deviation in units of the spreads at both ends; the deviation around
    the line in the same units, and the number of trials that all this counts as.
    """

    slope: float = 0.8
    spread: float = 0.5
    residual: float = 0.4
    trials: float = 4.0

    @classmethod
    def of(cls, foretelling: Foretelling, here: float, there: float) -> Line:
        """Return what history expects of the line between two shares of a training."""
        slope = foretelling.at(here) / max(foretelling.at(there), foretelling.at(here), 1e-9)
        return cls(
            slope=slope,
            # With one trial, the deviation of the slope is about that of the residual.
            spread=cls.spread / np.sqrt(1.0 + foretelling.trials / cls.trials),
            residual=max(np.sqrt(max(1.0 - slope**2, 0.0)), _LEAST_RESIDUAL),
            trials=max(foretelling.trials / 2.0, cls.trials),
        )


@dataclass(frozen=True, eq=False)
class Standings:
    """Rows (trial, progress, z) of what is known, and the scale of z at the end.

    Attributes:
        row: index of the trial among the curves, shape (m,).
        progress: from 0 before the first report to 1 at the end, shape (m,).
        z: standing at that progress, smaller is better, shape (m,).
        scale: transforms z at the end back to objective values.
    """

    row: Numbers
    progress: Floats
    z: Floats
    scale: Scale


def standings(
    curves: Sequence[ProgressCurve], rungs: Sequence[float], foretelling: Foretelling | None = None
) -> Standings:
    """Return the standing of each trial at each rung that it reached, and at the end.

    Args:
        curves: of trials that reported or ended; at least one.
        rungs: ascending. If no trial continued from a rung, that rung stands for the end.
        foretelling: how well a rung predicts the final value, according to history.
    """
    longest = max(max(curve.length for curve in curves), 1e-9)
    known = [(np.array([c.at(rung) for c in curves]), rung / longest) for rung in rungs]
    finals = [np.nan if curve.final is None else curve.final for curve in curves]
    ladder = _Ladder(len(curves))
    found, before = [], 0.0
    for values, share in [*known, (np.array(finals), np.inf)]:
        progress = _progress(share, longest, foretelling)
        there = np.isfinite(values)
        if there.any():
            line = Line() if foretelling is None else Line.of(foretelling, before, share)
            ladder.climb(values, there, line, worst=_BAD if progress < 1.0 else np.inf)
            before = share
            rows = np.flatnonzero(there)
            found.append((rows, np.full(len(rows), progress), ladder.z[rows]))
    if not there.any():
        found[-1] = (found[-1][0], np.ones(len(found[-1][0])), found[-1][2])
    rows, at, z = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Standings(rows, at, z, ladder.scale)


def _progress(share: float, longest: float, foretelling: Foretelling | None) -> float:
    """Return a rung's position in the model, from 0 to below 1; an infinite share, the end, is 1.

    Where history knows how well rungs predict the end, their distance from it follows from that.
    """
    if share == np.inf:
        return 1.0
    if foretelling is None:
        # Below 1 even at the last report: the final value may be judged by other rules than
        # reports.
        return float(np.log1p(share * longest) / np.log1p(longest + 1.0))
    away = np.linspace(0.0, 6.0, 601)
    falling = kernel.matern_with_slope(away**2)[0][::-1]
    far, here = np.interp([_UNRELATED, foretelling.at(min(share, 0.999))], falling, away[::-1])
    return float(np.clip(1.0 - here / far, 0.0, 0.99))


class _Ladder:
    """Standings of all trials at the latest rung. Mutable."""

    def __init__(self, count: int) -> None:
        #: NaN for trials about which nothing is known yet.
        self.z: Floats = np.full(count, np.nan)
        self.scale = Scale(middle=0.0, unit=1.0, mean=0.0, deviation=0.0)
        #: Variance of each standing, in units of the squared spread: 0 if it is known.
        self._rest: Floats = np.zeros(count)

    def climb(self, values: Floats, there: Flags, line: Line, worst: float) -> None:
        """Advance to the next rung.

        Args:
            values: values at that rung, shape (n,), NaN for trials that did not reach it.
            there: which trials reached it.
            line: the prior of the line between the previous rung and this one.
            worst: values are clipped at this number of units of the scale.
        """
        values = np.clip(values, -_LARGEST, _LARGEST)
        own = warp_with_scale(values[there])[1]
        t = np.minimum((values - own.middle) / own.unit, worst)
        guess = np.isfinite(self.z) & ~there
        if guess.any():
            t, scattered = self._fill(t, there, guess, own, line)
            full = own.middle + own.unit * np.where(guess, scattered, t)
            self.scale = warp_with_scale(full[there | guess])[1]
        else:
            self.scale = own
        self._rest = np.where(there, 0.0, self._rest)
        self.z = np.where(
            there | guess, self.scale.z(np.nan_to_num(own.middle + own.unit * t)), np.nan
        )

    def _fill(
        self, t: Floats, there: Flags, guess: Flags, own: Scale, line: Line
    ) -> tuple[Floats, Floats]:
        """Return `t` with the expected values of the other trials, and the same including scatter.

        The regression is on what the selection was based on, which keeps the line unbiased. The
        scatter prevents equal guesses from being taken for certain.
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
        prior, noise = line.spread**-2, line.residual**2
        told = float(across @ up) / noise, float(across @ across) / noise
        slope = max((prior * line.slope + told[0]) / (prior + told[1]), 0.0)
        misses = float(np.sum((up - slope * across) ** 2))
        around = (line.trials * noise + misses) / (line.trials + max(n - 1, 0))
        self._rest = np.where(there, 0.0, around + slope**2 * self._rest)
        filled = np.where(guess, level + width * slope * (self.z - centre), t)
        # Ordered by standing, so that neighbours are scattered differently; deterministic.
        order = np.argsort(np.argsort(np.where(guess, self.z, np.inf), kind="stable"))
        quantile = 0.01 + 0.98 * (order * _GOLDEN % 1.0)
        return filled, filled + ndtri(quantile) * np.sqrt(self._rest) * width
