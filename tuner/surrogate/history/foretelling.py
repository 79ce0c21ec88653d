"""How far the value at some point of a training foretells the end, by the curves of history.

`FRACTIONS` are shares of a whole training. A study tells of one by the rank correlation between the
values there and at the end; several studies together by the mean of Fisher's transforms, each with
the weight of its number of trials (n - 3, the inverse of the transform's variance).

Source: Fisher (1915), "Frequency distribution of the values of the correlation coefficient in
samples from an indefinitely large population"; for ranks, Fieller, Hartley & Pearson (1957).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tuner.surrogate.columns import Floats

#: Shares of a whole training at which curves are compared.
FRACTIONS: Floats = np.geomspace(1.0 / 128.0, 1.0, 29)
#: Whole trials with curves below which a study tells nothing of it.
LEAST = 8
#: Studies differ: what many of them say together counts at most as so many trials.
_MOST_TRIALS = 40.0
#: Correlations beyond this are not believed of a finite sample.
_HIGHEST = 0.995


@dataclass(frozen=True, eq=False)
class Foretelling:
    """By `FRACTIONS`: correlation with the end, rising from one to the next, and its weight.

    Attributes:
        correlation: shape (k,), from 0 to 1; where nothing is known, of the nearest that is.
        trials: how many trials the whole counts as.
    """

    correlation: Floats
    trials: float

    def at(self, fraction: float) -> float:
        """Return the correlation at a share of the training, from 0 to 1; 1 at the end."""
        if fraction >= 1.0:
            return 1.0
        logs = np.log(FRACTIONS)
        return float(np.interp(np.log(max(fraction, FRACTIONS[0])), logs, self.correlation))


def correlations(curves: Sequence[Mapping[float, float]], finals: Sequence[float]) -> Floats | None:
    """Return what one study says.

    Args:
        curves: of its whole trials, values by steps; those without reports are passed over.
        finals: how they ended.

    Returns:
        Rank correlations and numbers of trials, shape (k, 2); NaN where too few had begun. None:
        the study tells nothing.
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
    """Return what several studies say together; None where none says anything.

    Args:
        studies: what `correlations` returned for each.
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
    # Nobody foretells worse by having seen more; a rank that is turned over foretells nothing.
    rising = np.maximum.accumulate(np.maximum(np.tanh(mean[told]), 0.0))
    correlation = np.interp(np.arange(len(FRACTIONS)), told, rising)
    return Foretelling(correlation, float(min(total[told].mean() + 3.0, _MOST_TRIALS)))


def _ranks(values: Floats) -> Floats:
    """Return the ranks of values, equal ones sharing theirs, shape as given."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Floats = (ends - 0.5 * (counts + 1))[inverse]
    return ranks
