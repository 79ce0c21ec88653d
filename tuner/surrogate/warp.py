"""Objective values on the scale that the models take: z, where smaller is better."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuner.surrogate.columns import Floats

#: Below this spread all values count as the same.
_TINY = 1e-12
#: Logarithm beyond which a bad value is tamed once more.
_FAR = 3.0
#: Logarithms beyond this are too large for a number.
_LARGEST = 700.0


@dataclass(frozen=True)
class Scale:
    """The way from objective values to z and back, which some values decided.

    How much a value is worse than `middle` is put on a logarithmic scale in units of `unit`; the
    result is shifted by `mean` and divided by `deviation`.
    """

    middle: float
    unit: float
    mean: float
    deviation: float

    @property
    def is_flat(self) -> bool:
        """Whether the values do not differ: every z is 0."""
        return not self.deviation > _TINY

    def z(self, y: Floats) -> Floats:
        """Return where objective values stand on this scale, shape as given; rising with y.

        Args:
            y: finite values, smaller is better; they need not be those that decided the scale.
        """
        if self.is_flat:
            return np.zeros(np.shape(y))
        away = (np.asarray(y, dtype=float) - self.middle) / self.unit
        bent = np.where(away > 0, _tame(np.maximum(away, 0.0)), away)
        return (bent - self.mean) / self.deviation

    def value(self, z: Floats) -> Floats:
        """Return the objective values that z stands for, finite, shape as given; rising with z."""
        if self.is_flat:
            return np.full(np.shape(z), self.middle)
        bent = np.asarray(z, dtype=float) * self.deviation + self.mean
        excess = np.where(bent > 0, _wild(np.maximum(bent, 0.0)), bent)
        largest = np.finfo(float).max
        with np.errstate(over="ignore"):
            return np.clip(self.middle + excess * self.unit, -largest, largest)


def warp(y: Floats, *, breadth: float = 0.0) -> Floats:
    """Return values whose good half keeps its shape and whose bad half is tamed.

    How much a value is worse than the median is put on a logarithmic scale, in units of the spread
    of the good half: smoothly, so that what was smooth stays so, and so that a diverged run cannot
    squeeze all others together. The result has mean 0 and standard deviation 1.

    Args:
        y: objective values, smaller is better, shape (n,); NaN or infinite where there is none,
            which counts as worse than every other value.
        breadth: the spread of the good half counts as at least this share of the way from the best
            value to the upper quartile: above 0 where many values may be nearly the best.

    Returns:
        z, shape (n,), finite; all 0 when the values do not differ. Order and ties are kept.
    """
    return warp_with_scale(y, breadth=breadth)[0]


def warp_with_scale(y: Floats, *, breadth: float = 0.0) -> tuple[Floats, Scale]:
    """Return what `warp` does, and the scale that leads back."""
    y = np.asarray(y, dtype=float)
    known = np.isfinite(y)
    if not known.any():
        return np.zeros(len(y)), Scale(middle=0.0, unit=1.0, mean=0.0, deviation=0.0)
    middle = float(np.median(y[known]))
    z = np.where(known, y, y[known].max()) - middle
    bad = z > 0
    unit = _good_spread(z[~bad], breadth * _width(z[known]))
    z[~bad] /= unit
    z[bad] = _tame(z[bad] / unit)
    z[~known] = z.max() + 0.5
    scale = Scale(middle=middle, unit=unit, mean=float(z.mean()), deviation=float(z.std()))
    return (np.zeros(len(y)) if scale.is_flat else (z - scale.mean) / scale.deviation), scale


def _good_spread(z: Floats, least: float) -> float:
    """Return the root mean square of the good half `z` (at most 0), but `least` if that is more."""
    spread = max(float(np.sqrt(np.mean(z**2))) if len(z) else 0.0, least)
    return spread if spread > _TINY else 1.0


def _width(z: Floats) -> float:
    """Return the way from the best value to the upper quartile, to the worst if that is none."""
    return float(np.quantile(z, 0.75) - z.min()) or float(np.ptp(z))


def _tame(excess: Floats) -> Floats:
    """Return log(1 + excess), and the logarithm of that where it is large: 1e300 becomes 9.5."""
    logs = np.log1p(excess)
    return np.where(logs > _FAR, _FAR + np.log1p(np.maximum(logs - _FAR, 0.0)), logs)


def _wild(bent: Floats) -> Floats:
    """Return what `_tame` made of `bent`, at most e to `_LARGEST`."""
    far = _FAR + np.expm1(np.minimum(np.maximum(bent - _FAR, 0.0), np.log(_LARGEST)))
    logs = np.where(bent > _FAR, far, bent)
    return np.expm1(np.minimum(logs, _LARGEST))
