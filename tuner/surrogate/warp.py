"""Objective values on the scale that the models take: z, where smaller is better."""

from __future__ import annotations

import numpy as np

from tuner.surrogate.columns import Floats

#: Below this spread all values count as the same.
_TINY = 1e-12
#: Logarithm beyond which a bad value is tamed once more.
_FAR = 3.0


def warp(y: Floats) -> Floats:
    """Return values whose good half keeps its shape and whose bad half is tamed.

    How much a value is worse than the median is put on a logarithmic scale, in units of the spread
    of the good half: smoothly, so that what was smooth stays so, and so that a diverged run cannot
    squeeze all others together. The result has mean 0 and standard deviation 1.

    Args:
        y: objective values, smaller is better, shape (n,); NaN or infinite where there is none,
            which counts as worse than every other value.

    Returns:
        z, shape (n,), finite; all 0 when the values do not differ. Order and ties are kept.
    """
    y = np.asarray(y, dtype=float)
    known = np.isfinite(y)
    if not known.any():
        return np.zeros(len(y))
    middle = float(np.median(y[known]))
    z = np.where(known, y, y[known].max()) - middle
    bad = z > 0
    unit = _good_spread(z[~bad])
    z[~bad] /= unit
    z[bad] = _tame(z[bad] / unit)
    z[~known] = z.max() + 0.5
    deviation = float(z.std())
    return (z - z.mean()) / deviation if deviation > _TINY else np.zeros(len(y))


def _good_spread(z: Floats) -> float:
    """Return the root mean square of the good half `z` (at most 0)."""
    spread = float(np.sqrt(np.mean(z**2))) if len(z) else 0.0
    return spread if spread > _TINY else 1.0


def _tame(excess: Floats) -> Floats:
    """Return log(1 + excess), and the logarithm of that where it is large: 1e300 becomes 9.5."""
    logs = np.log1p(excess)
    return np.where(logs > _FAR, _FAR + np.log1p(np.maximum(logs - _FAR, 0.0)), logs)
