"""What the models of many studies have in common, and the main ways in which they differ.

| name | meaning                                                                              |
|------|--------------------------------------------------------------------------------------|
| M    | (T, C) means of T sources' models at C places; small is good                          |
| m    | (C,) their weighted mean                                                             |
| P    | (C, r) the main directions of M - m, as long as the deviation along them             |

Source of m and P: the empirical prior over tasks of Wang, Kim & Kaelbling (2018), "Regret bounds
for meta Bayesian optimization with an unknown Gaussian process prior".
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from tuner.surrogate.columns import Floats

#: Ways to differ that are kept.
_WAYS = 16
#: Below this deviation a source's model explains so little that it is not blown up to size 1.
_LEAST_SIZE = 0.6
#: Points of a portfolio.
_PORTFOLIO = 16


def standard(means: Floats, points: int) -> Floats:
    """Return the means with mean 0 and at most deviation 1 on the first `points` places."""
    means = means - means[:, :points].mean(axis=1, keepdims=True)
    sizes = means[:, :points].std(axis=1, keepdims=True)
    standard: Floats = means / np.maximum(sizes, _LEAST_SIZE)
    return standard


def features(means: Floats, shares: Floats) -> Floats:
    """Return the weighted mean and the ways to differ on the points, shape (points, 1 + r)."""
    mean = shares @ means
    count = len(shares)
    ways = min(_WAYS, count - 1)
    if ways == 0:
        return mean[:, None]
    # The unbiased covariance over sources; its eigenvectors, as long as the deviation along them.
    away = (means - mean) * np.sqrt(shares * count / (count - 1))[:, None]
    size = means.shape[1]
    values, vectors = eigh(away.T @ away, subset_by_index=[size - ways, size - 1])
    lengths = np.sqrt(np.maximum(values[::-1], 0.0))
    return np.column_stack([mean, vectors[:, ::-1] * lengths])


def portfolio(means: Floats, shares: Floats) -> list[int]:
    """Return the places to try while nothing is known: each is best beside those before it.

    The first has the best mean; each other one improves the best of the chosen ones most, on the
    weighted average over the sources.
    """
    chosen = [int(np.argmin(shares @ means))]
    best = means[:, chosen[0]]
    while len(chosen) < min(_PORTFOLIO, means.shape[1]):
        value = shares @ np.minimum(best[:, None], means)
        value[chosen] = np.inf
        chosen.append(int(np.argmin(value)))
        best = np.minimum(best, means[:, chosen[-1]])
    return chosen


def agreements(means: Floats, shares: Floats) -> list[float | None]:
    """Return the correlation of each source's mean with the average of all others."""
    if len(shares) == 1:
        return [None]
    others = shares @ means - shares[:, None] * means
    product = np.einsum("tc,tc->t", means, others)
    size = np.linalg.norm(means, axis=1) * np.linalg.norm(others, axis=1)
    return [float(value) for value in product / np.maximum(size, 1e-12)]
