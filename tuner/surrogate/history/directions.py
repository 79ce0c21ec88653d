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

from collections.abc import Sequence

import numpy as np
from scipy.linalg import eigh

from tuner.surrogate.columns import Floats

#: Maximum number of directions that are kept.
_WAYS = 16
#: A source's model with a smaller deviation explains too little to be scaled up to size 1.
_LEAST_SIZE = 0.6
#: For a portfolio: number of points, minimum squared scaled distance between two, and the weight of
#: a place's mean compared with what it adds to the places before it.
_PORTFOLIO, _APART, _MEAN_COUNTS = 16, 0.01, 0.25


def standard(means: Floats, points: int) -> Floats:
    """Return the means with mean 0 and at most deviation 1 on the first `points` places."""
    means = means - means[:, :points].mean(axis=1, keepdims=True)
    sizes = means[:, :points].std(axis=1, keepdims=True)
    standard: Floats = means / np.maximum(sizes, _LEAST_SIZE)
    return standard


def features(means: Floats, shares: Floats) -> Floats:
    """Return the weighted mean and the differences on the points, shape (points, 1 + r)."""
    mean = shares @ means
    count = len(shares)
    ways = min(_WAYS, count - 1)
    if ways == 0:
        return mean[:, None]
    # The unbiased covariance over sources; its eigenvectors, scaled by the deviation along them.
    away = (means - mean) * np.sqrt(shares * count / (count - 1))[:, None]
    size = means.shape[1]
    values, vectors = eigh(away.T @ away, subset_by_index=[size - ways, size - 1])
    lengths = np.sqrt(np.maximum(values[::-1], 0.0))
    return np.column_stack([mean, vectors[:, ::-1] * lengths])


def portfolio(
    means: Floats, shares: Floats, features: Floats, winners: Sequence[int] = ()
) -> list[int]:
    """Return the places to try while nothing is known: each complements those before it.

    The first has the best mean: among the winners, if there are any, because what was really tried
    and did best is more credible than a model's prediction. Each other one is not next to a chosen
    one, and improves their best value in the weighted average over the sources; a single source
    gains nothing from a second place, so a good mean counts as well.

    Args:
        means: of the sources at the places, shape (T, C).
        shares: of the sources, shape (T,).
        features: of the places, scaled by the lengthscales of history, shape (C, f).
        winners: places that were the best of some source.
    """
    mean = shares @ means
    room = np.empty_like(means)
    among = list(winners) or range(len(mean))
    chosen = [int(among[int(np.argmin(mean[among]))])]
    best = means[:, chosen[0]]
    apart = _squares(features, chosen[-1])
    while len(chosen) < _PORTFOLIO and (apart >= _APART).any():
        value = shares @ np.minimum(best[:, None], means, out=room) + _MEAN_COUNTS * mean
        chosen.append(int(np.argmin(np.where(apart >= _APART, value, np.inf))))
        best = np.minimum(best, means[:, chosen[-1]])
        apart = np.minimum(apart, _squares(features, chosen[-1]))
    return chosen


def _squares(features: Floats, place: int) -> Floats:
    """Return the squared scaled distances of all places to one of them, shape (C,)."""
    return np.asarray(((features - features[place]) ** 2).sum(axis=1), dtype=np.float64)


def agreements(means: Floats, shares: Floats) -> list[float | None]:
    """Return the correlation of each source's mean with the average of all others."""
    if len(shares) == 1:
        return [None]
    others = shares @ means - shares[:, None] * means
    product = np.einsum("tc,tc->t", means, others)
    size = np.linalg.norm(means, axis=1) * np.linalg.norm(others, axis=1)
    return [float(value) for value in product / np.maximum(size, 1e-12)]
