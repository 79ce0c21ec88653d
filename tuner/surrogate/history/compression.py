"""Scores for a study that serves as history: what distinguishes its good half matters most.

The values of a running study keep their shape (`tuner.surrogate.warp`). History is different: it
points to regions, and studies can only be compared by what was good in each.
"""

from __future__ import annotations

import numpy as np

from tuner.surrogate.columns import Floats

#: Below this spread all values count as equal.
_TINY = 1e-12
#: Logarithm above which a bad value is compressed once more.
_FAR = 3.0


def compress_bad(y: Floats, *, breadth: float) -> Floats:
    """Return values whose good half keeps its shape and whose bad half is compressed.

    The distance of a bad value from the median is put on a logarithmic scale, in units of the
    spread of the good half: smoothly, so that smooth functions stay smooth. The result has mean 0
    and standard deviation 1.

    Args:
        y: objective values, smaller is better, shape (n,); NaN or infinite for a missing value,
            which counts as worse than every other value.
        breadth: minimum spread of the good half, as a share of the distance from the best value to
            the upper quartile: above 0 if many values may be nearly the best.

    Returns:
        z, shape (n,), finite; all 0 if the values are equal. Order and ties are kept.
    """
    y = np.asarray(y, dtype=float)
    known = np.isfinite(y)
    if not known.any():
        return np.zeros(len(y))
    z = np.where(known, y, y[known].max()) - float(np.median(y[known]))
    bad = z > 0
    unit = _good_spread(z[~bad], breadth * _width(z[known]))
    z[~bad] /= unit
    z[bad] = _tame(z[bad] / unit)
    z[~known] = z.max() + 0.5
    deviation = float(z.std())
    return (z - z.mean()) / deviation if deviation > _TINY else np.zeros(len(y))


def _good_spread(z: Floats, least: float) -> float:
    """Return the root mean square of the good half `z` (at most 0), but at least `least`."""
    spread = max(float(np.sqrt(np.mean(z**2))) if len(z) else 0.0, least)
    return spread if spread > _TINY else 1.0


def _width(z: Floats) -> float:
    """Return the distance from the best value to the upper quartile, to the worst if that is 0."""
    return float(np.quantile(z, 0.75) - z.min()) or float(np.ptp(z))


def _tame(excess: Floats) -> Floats:
    """Return log(1 + excess), and the logarithm of that where it is large: 1e300 becomes 9.5."""
    logs = np.log1p(excess)
    return np.where(logs > _FAR, _FAR + np.log1p(np.maximum(logs - _FAR, 0.0)), logs)
