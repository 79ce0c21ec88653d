"""Objective values on the scale of the models: z, where smaller is better."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuner.surrogate.columns import Floats

#: Values that differ by less than this share of their size count as equal.
_TINY = 1e-12
#: z is linear within this number of units around the middle. Normally distributed values are not
#: bent: one unit, from the best of 50 to the upper quartile, is 2.9 standard deviations.
_REACH = 1.5
#: Logarithm above which an outlier is compressed further.
_FAR = 3.0
#: Logarithms are clipped here: larger ones are not representable as numbers.
_LARGEST = 700.0
#: Values are clipped to this magnitude: differences of larger ones are not finite.
_LARGEST_VALUE = float(np.finfo(float).max) / 4.0
#: The best value is an error of the metric if the others are closer to each other by this factor.
_ABSURD = 1e3
#: Minimum number of values for that conclusion.
_LEAST = 4


@dataclass(frozen=True)
class Scale:
    """The transformation from objective values to z and back, determined by some values.

    z is linear around `middle`, in steps of `unit`, and logarithmic beyond `_REACH` of them; the
    result is shifted by `mean` and divided by `deviation`.
    """

    middle: float
    unit: float
    mean: float
    deviation: float

    @property
    def is_flat(self) -> bool:
        """Whether all values are equal: every z is 0."""
        return not self.deviation > _TINY

    def z(self, y: Floats) -> Floats:
        """Return objective values on this scale, in the same shape; increasing in y.

        Args:
            y: finite values, smaller is better; not necessarily those that determined the scale.
        """
        if self.is_flat:
            return np.zeros(np.shape(y))
        return (_bent(y, self.middle, self.unit) - self.mean) / self.deviation

    def value(self, z: Floats) -> Floats:
        """Return the objective values for z, finite, in the same shape; increasing in z."""
        if self.is_flat:
            return np.full(np.shape(z), self.middle)
        bent = np.asarray(z, dtype=float) * self.deviation + self.mean
        far = np.sign(bent) * (_REACH + _wild(np.maximum(np.abs(bent) - _REACH, 0.0)))
        excess = np.where(np.abs(bent) > _REACH, far, bent)
        with np.errstate(over="ignore"):
            return np.clip(self.middle + excess * self.unit, -_LARGEST_VALUE, _LARGEST_VALUE)


def warp(y: Floats) -> Floats:
    """Return values with their shape preserved, except for those far from nearly all others.

    Ordinary values are unchanged: the logarithm of how bad a bad value is would make bad regions
    look alike, and a model certain of the valley that it is in. Outliers are put on a logarithmic
    scale, so that a diverged run cannot squeeze all others together. The result has mean 0 and
    standard deviation 1.

    Args:
        y: objective values, smaller is better, shape (n,); NaN or infinite for a missing value,
            which counts as worse than every other value.

    Returns:
        z, shape (n,), finite; all 0 if the values are equal. Order and ties are kept.
    """
    return warp_with_scale(y)[0]


def warp_with_scale(y: Floats) -> tuple[Floats, Scale]:
    """Return what `warp` returns, and the scale for the inverse."""
    y = np.asarray(y, dtype=float)
    known = np.isfinite(y)
    if not known.any():
        return np.zeros(len(y)), Scale(middle=0.0, unit=1.0, mean=0.0, deviation=0.0)
    ordered = np.sort(np.clip(y[known], -_LARGEST_VALUE, _LARGEST_VALUE))
    middle, unit = float(np.median(ordered)), _width(ordered)
    if ordered[-1] - ordered[0] <= _TINY * float(np.abs(ordered).max()):
        y = np.where(known, middle, y)
    z = _bent(np.where(known, y, ordered[-1]), middle, unit)
    z[~known] = z.max() + 0.5
    scale = Scale(middle=middle, unit=unit, mean=float(z.mean()), deviation=float(z.std()))
    return (np.zeros(len(y)) if scale.is_flat else (z - scale.mean) / scale.deviation), scale


def _width(ordered: Floats) -> float:
    """Return the distance from the best value to the upper quartile; `ordered` is ascending, (n,).

    If most values equal the best one, it is the median distance of the others.
    """
    upper = ordered[3 * (len(ordered) - 1) // 4]
    best = ordered[0]
    if len(ordered) >= _LEAST and ordered[1] - best > _ABSURD * (upper - ordered[1]) > 0:
        best = ordered[1]
    if upper > best:
        return float(upper - best)
    ways = ordered[ordered > best] - best
    return float(ways[(len(ways) - 1) // 2]) if len(ways) else 1.0


def _bent(y: Floats, middle: float, unit: float) -> Floats:
    """Return values as units from the middle, outliers compressed; in the same shape."""
    y = np.clip(np.asarray(y, dtype=float), -_LARGEST_VALUE, _LARGEST_VALUE)
    with np.errstate(over="ignore"):
        away = np.clip((y - middle) / unit, -_LARGEST_VALUE, _LARGEST_VALUE)
    beyond = np.maximum(np.abs(away) - _REACH, 0.0)
    return np.where(beyond > 0, np.sign(away) * (_REACH + _tame(beyond)), away)


def _tame(excess: Floats) -> Floats:
    """Return log(1 + excess), and the logarithm of that where it is large: 1e300 becomes 5."""
    logs = np.log1p(excess)
    further = np.log1p(np.log1p(np.maximum(logs - _FAR, 0.0)))
    return np.where(logs > _FAR, _FAR + further, logs)


def _wild(bent: Floats) -> Floats:
    """Invert `_tame`; the result is at most e to `_LARGEST`."""
    further = np.minimum(np.maximum(bent - _FAR, 0.0), np.log1p(np.log1p(_LARGEST)))
    logs = np.where(bent > _FAR, _FAR + np.expm1(np.expm1(further)), bent)
    return np.expm1(np.minimum(logs, _LARGEST))
