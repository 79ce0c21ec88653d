"""How well intermediate values of a training predict the final one, from the curves of history.

`FRACTIONS` are shares of a complete training. For each one, a study contributes the rank
correlation between its values there and at the end; several studies are combined by the mean of
Fisher's transforms, weighted by the number of trials (n - 3, the inverse of the transform's
variance).

Source: Fisher (1915), "Frequency distribution of the values of the correlation coefficient in
samples from an indefinitely large population"; for ranks, Fieller, Hartley & Pearson (1957).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tuner.surrogate.columns import Floats

#: Shares of a complete training at which curves are compared.
FRACTIONS: Floats = np.geomspace(1.0 / 128.0, 1.0, 29)
#: Minimum number of complete trials with curves for a study to contribute.
LEAST = 8
#: Studies differ: all of them together count as at most this number of trials.
_MOST_TRIALS = 40.0
#: Correlations are clipped here: a finite sample does not support higher ones.
_HIGHEST = 0.995


@dataclass(frozen=True, eq=False)
class Foretelling:
    """For each of `FRACTIONS`: the correlation with the end, non-decreasing, and its weight.

    Attributes:
        correlation: shape (k,), from 0 to 1; if unknown, that of the nearest known share.
        trials: number of trials that all this counts as.
    """

    correlation: Floats
    trials: float

    def at(self, fraction: float) -> float:
        """Return the correlation at a share of the training, from 0 to 1; it is 1 at the end."""
        if fraction >= 1.0:
            return 1.0
        logs = np.log(FRACTIONS)
        return float(np.interp(np.log(max(fraction, FRACTIONS[0])), logs, self.correlation))


def correlations(curves: Sequence[Mapping[float, float]], finals: Sequence[float]) -> Floats | None:
    """Return the contribution of one study.

    Args:
        curves: of its complete trials, values by step; those without reports are skipped.
        finals: their final values.

    Returns:
        Rank correlations and numbers of trials, shape (k, 2); NaN where too few trials had started.
        None: the study has too few trials.
    """
    pairs = [(c, f) for c, f in zip(curves, finals, strict=True) if len(c) > 1 and np.isfinite(f)]
    if len(pairs) < LEAST:
        return None
    longest = max(max(curve) for curve, _ in pairs)
    ends = np.array([final for _, final in pairs])
    found = np.full((len(FRACTIONS), 2), np.nan)
    if longest <= 0 or np.ptp(ends) == 0:
        return None
    steps = [np.array(sorted(curve)) for curve, _ in pairs]
    values = [np.array([c[s] for s in at]) for (c, _), at in zip(pairs, steps, strict=True)]
    for index, fraction in enumerate(FRACTIONS):
        last = [int(np.searchsorted(at, fraction * longest + 1e-9, "right")) - 1 for at in steps]
        there = [i for i, position in enumerate(last) if position >= 0]
        if len(there) < LEAST:
            continue
        now = np.array([values[i][last[i]] for i in there])
        known = np.isfinite(now)
        if known.sum() >= LEAST and np.ptp(now[known]) > 0:
            both = _ranks(now[known]), _ranks(ends[there][known])
            found[index] = np.corrcoef(*both)[0, 1], known.sum()
    return None if np.isnan(found).all() else found


def foretelling(studies: Sequence[Floats]) -> Foretelling | None:
    """Return the combination of several studies; None if none contributes.

    Args:
        studies: the results of `correlations`.
    """
    if not studies:
        return None
    stacked = np.array(studies)
    known = np.isfinite(stacked[:, :, 0])
    weights = np.where(known, np.maximum(stacked[:, :, 1] - 3.0, 1.0), 0.0)
    bent = np.arctanh(np.clip(np.nan_to_num(stacked[:, :, 0]), -_HIGHEST, _HIGHEST))
    total = weights.sum(axis=0)
    mean = np.divide((weights * bent).sum(axis=0), total, out=np.zeros_like(total), where=total > 0)
    told = np.flatnonzero(total)
    if not len(told):
        return None
    # Later values cannot predict worse than earlier ones; a negative correlation predicts nothing.
    rising = np.maximum.accumulate(np.maximum(np.tanh(mean[told]), 0.0))
    correlation = np.interp(np.arange(len(FRACTIONS)), told, rising)
    return Foretelling(correlation, float(min(total[told].mean() + 3.0, _MOST_TRIALS)))


def _ranks(values: Floats) -> Floats:
    """Return the ranks of values, with equal ones sharing theirs, in the same shape."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - 0.5 * (counts + 1))[inverse]
