"""Several objectives: the expected gain in the hypervolume that the best trials dominate.

Each objective has a model of its own, independent of the others. The region that no trial dominates
is cut into boxes; in one box the expected gain is a product over the objectives.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.special import log_ndtr, logsumexp
from typing_extensions import override

from tuner.surrogate.columns import Flags, Floats
from tuner.surrogate.model import Model, slopes
from tuner.surrogate.search.acquisition import LOG_ROOT_2PI, Acquisition, log_improvement

#: Maximum number of boxes; with more, the front is thinned.
_MOST_BOXES = 64
#: Distance of the reference point beyond the front, in widths of the front.
_MARGIN = 0.1
#: Minimum share of all values that the reference point must be worse than.
_ORDINARY = 0.9


def front(values: Floats) -> Flags:
    """Return which rows no other row dominates; of equal rows, the first.

    Args:
        values: smaller is better, shape (n, objectives).
    """
    kept = np.ones(len(values), dtype=bool)
    for index, row in enumerate(values):
        better = np.all(values <= row, axis=1) & np.any(values < row, axis=1)
        twin = np.all(values[:index] == row, axis=1).any()
        kept[index] = not (better.any() or twin)
    return kept


def reference(values: Floats) -> Floats:
    """Return the point from which the hypervolume is measured, shape (objectives,).

    In each objective it is slightly worse than the worst of the front, so that its ends count, and
    no better than the worst tenth of all values: a front that is short so far should grow at its
    ends.
    """
    best = values[front(values)]
    width = best.max(axis=0) - best.min(axis=0)
    overall = values.max(axis=0) - values.min(axis=0)
    width = np.where(width > 0, width, np.where(overall > 0, overall, 1.0))
    ends = best.max(axis=0) + _MARGIN * width
    ordinary: Floats = np.maximum(ends, np.quantile(values, _ORDINARY, axis=0))
    return ordinary


def boxes(best: Floats, ref: Floats) -> tuple[Floats, Floats]:
    """Cut the region that is better than `ref` and not dominated into disjoint boxes.

    Args:
        best: points that do not dominate each other, shape (n, k), smaller is better.
        ref: shape (k,).

    Returns:
        Lower corners, with -inf, and upper corners, each of shape (boxes, k).
    """
    inside = best[np.all(best < ref, axis=1)]
    lows, highs = _cut(inside, ref)
    return np.array(lows).reshape(-1, len(ref)), np.array(highs).reshape(-1, len(ref))


def _cut(best: Floats, ref: Floats) -> tuple[list[list[float]], list[list[float]]]:
    """Return the boxes: slabs of the last objective, each cut in the others."""
    if len(ref) == 1:
        top = float(min(best[:, 0].min(initial=np.inf), ref[0]))
        return [[-np.inf]], [[top]]
    edges = [-np.inf, *np.unique(best[:, -1]), float(ref[-1])]
    lows: list[list[float]] = []
    highs: list[list[float]] = []
    for low, high in pairwise(edges):
        # In this slab only points that are not worse in the last objective dominate.
        ahead = best[best[:, -1] <= low][:, :-1]
        inner_lows, inner_highs = _cut(ahead[front(ahead)], ref[:-1])
        lows += [[*corner, float(low)] for corner in inner_lows]
        highs += [[*corner, float(high)] for corner in inner_highs]
    return lows, highs


class LogHypervolumeImprovement(Acquisition):
    """The logarithm of the expected gain of hypervolume.

    Args:
        models: one for each objective.
        values: of feasible trials on the scales of the models, (n, objectives), n at least 1.
    """

    def __init__(self, models: Sequence[Model], values: Floats) -> None:
        self._models = models
        ref = reference(values)
        best = values[front(values)]
        lows, highs = boxes(best, ref)
        while len(lows) > _MOST_BOXES and len(best) > 2:
            best = _thinned(best)
            lows, highs = boxes(best, ref)
        self._lows, self._highs = lows, highs

    @override
    def value(self, x: Floats) -> Floats:
        total = np.zeros((len(x), len(self._lows)))
        for index, model in enumerate(self._models):
            mean, std = model.predict(x)
            total += self._gain(index, mean, std)
        return np.asarray(logsumexp(total, axis=1))

    @override
    def slope(self, x: Floats, moving: Floats) -> tuple[Floats, Floats]:
        total = np.zeros((len(x), len(self._lows)))
        parts = []
        for index, model in enumerate(self._models):
            mean, std, mean_slope, std_slope = slopes(model, x, moving)
            gain = self._gain(index, mean, std)
            total += gain
            by_mean, by_std = self._rates(index, mean, std, gain)
            parts.append((by_mean, by_std, mean_slope, std_slope))
        value = np.asarray(logsumexp(total, axis=1))
        shares = np.exp(total - value[:, None])
        gradient = np.zeros(x.shape)
        for by_mean, by_std, mean_slope, std_slope in parts:
            gradient += np.sum(shares * by_mean, axis=1)[:, None] * mean_slope
            gradient += np.sum(shares * by_std, axis=1)[:, None] * std_slope
        return value, gradient

    def _gain(self, index: int, mean: Floats, std: Floats) -> Floats:
        """Return the logarithm of the expected length within each box, shape (m, boxes)."""
        upper, lower = self._heights(index, mean, std)
        below = np.minimum(lower - upper, -1e-12)
        return np.log(std)[:, None] + upper + np.log1p(-np.exp(below))

    def _heights(self, index: int, mean: Floats, std: Floats) -> tuple[Floats, Floats]:
        high = (self._highs[:, index] - mean[:, None]) / std[:, None]
        low = (self._lows[:, index] - mean[:, None]) / std[:, None]
        # An open box extends down to where no improvement is left.
        bounded = np.where(np.isfinite(low), low, 0.0)
        below = np.where(np.isfinite(low), log_improvement(bounded), -np.inf)
        return log_improvement(high), below

    def _rates(self, index: int, mean: Floats, std: Floats, gain: Floats) -> tuple[Floats, Floats]:
        """Return the derivatives of `_gain` by mean and by standard deviation, each (m, boxes)."""
        high = (self._highs[:, index] - mean[:, None]) / std[:, None]
        low = (self._lows[:, index] - mean[:, None]) / std[:, None]
        by_mean = np.exp(log_ndtr(low) - gain) - np.exp(log_ndtr(high) - gain)
        by_std = np.exp(_log_density(high) - gain) - np.exp(_log_density(low) - gain)
        return by_mean, by_std


def _log_density(u: Floats) -> Floats:
    return -0.5 * u * u - LOG_ROOT_2PI


def _thinned(best: Floats) -> Floats:
    """Return the front without the point closest to another one; its ends stay."""
    apart = np.linalg.norm(best[:, None, :] - best[None, :, :], axis=2)
    np.fill_diagonal(apart, np.inf)
    nearest = apart.min(axis=1)
    nearest[np.unique(best.argmin(axis=0))] = np.inf
    return np.delete(best, int(np.argmin(nearest)), axis=0)
