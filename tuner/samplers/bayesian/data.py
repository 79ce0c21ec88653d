"""The data that a proposal's models are fitted to: repeats averaged, values warped, size capped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuner.samplers.bayesian.observations import Observations
from tuner.surrogate.columns import Columns, Flags, Floats, Numbers
from tuner.surrogate.gaussian.subset import choose_subset
from tuner.surrogate.warp import Scale, warp_with_scale

#: Maximum number of points that a model is fitted to; see `tuner.surrogate.gaussian.subset`.
MOST = 300
#: A failing configuration counts as being at this quantile of the other values, with the variance
#: below: the point itself is unattractive, but its neighbours may still be the best.
_FAILED_RANK = 0.9
_FAILED_VARIANCE = 0.1


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Points (n, d), z values (n, objectives), and for each its count, variance and feasibility."""

    x: Floats
    z: Floats
    counts: Floats
    extra: Floats
    feasible: Flags
    #: Number of the newest trial at each point; -1 for failed trials.
    newest: Numbers
    #: Transforms z back to objective values, for each objective.
    scales: tuple[Scale, ...]

    @property
    def has_feasible(self) -> bool:
        """Whether any feasible point has a value."""
        return bool(self.feasible.any())

    @property
    def is_flat(self) -> bool:
        """Whether all trials have equal values and none failed: a model would run into corners."""
        return self.has_feasible and bool(np.all(self.feasible) and np.all(self.z == self.z[0]))

    def best_first(self) -> Floats:
        """Return the points, best first, infeasible ones last."""
        order = np.lexsort((self.z.mean(axis=1), ~self.feasible))
        return self.x[order]

    def rows(self, kept: Numbers) -> TrainingData:
        """Return some of the rows."""
        return TrainingData(
            self.x[kept],
            self.z[kept],
            self.counts[kept],
            self.extra[kept],
            self.feasible[kept],
            self.newest[kept],
            self.scales,
        )


def gather(columns: Columns, seen: Observations) -> TrainingData:
    """Return the data of all trials that have values or failed because of their configuration."""
    data = _averaged(seen)
    failed = seen.judged_x[seen.broken]
    if len(failed) and len(data.x):
        data = _with_failed(data, failed)
    if len(data.x) <= MOST:
        return data
    return data.rows(choose_subset(columns, data.x, data.z.mean(axis=1), data.newest, MOST))


def _averaged(seen: Observations) -> TrainingData:
    """Return one row for each distinct point, in the order in which they were first tried."""
    place = _places(seen.x)
    n = int(place.max(initial=-1)) + 1
    counts = np.bincount(place, minlength=n).astype(float)
    y = np.zeros((n, seen.y.shape[1]))
    np.add.at(y, place, seen.y)
    y /= counts[:, None]
    extra = np.bincount(place, weights=seen.extra, minlength=n) / counts**2
    feasible = np.ones(n, dtype=bool)
    np.logical_and.at(feasible, place, seen.feasible)
    newest = np.full(n, -1, dtype=np.int64)
    np.maximum.at(newest, place, seen.numbers)
    first = np.searchsorted(np.maximum.accumulate(place), np.arange(n))
    if seen.scale is not None:
        return TrainingData(seen.x[first], y, counts, extra, feasible, newest, (seen.scale,))
    warped = [warp_with_scale(column) for column in y.T]
    z = np.stack([column for column, _ in warped], axis=1)
    scales = tuple(scale for _, scale in warped)
    return TrainingData(seen.x[first], z, counts, extra, feasible, newest, scales)


def _places(x: Floats) -> Numbers:
    """Return the row of each point among the distinct ones, in order of appearance, shape (n,)."""
    known: dict[bytes, int] = {}
    rounded = np.round(np.nan_to_num(x, nan=-9.0), 9) + 0.0
    return np.array([known.setdefault(row.tobytes(), len(known)) for row in rounded], np.int64)


def _with_failed(data: TrainingData, failed: Floats) -> TrainingData:
    count = len(failed)
    level = np.quantile(data.z, _FAILED_RANK, axis=0)
    return TrainingData(
        np.concatenate([data.x, failed]),
        np.concatenate([data.z, np.tile(level, (count, 1))]),
        np.concatenate([data.counts, np.ones(count)]),
        np.concatenate([data.extra, np.full(count, _FAILED_VARIANCE)]),
        np.concatenate([data.feasible, np.zeros(count, dtype=bool)]),
        np.concatenate([data.newest, np.full(count, -1, dtype=np.int64)]),
        data.scales,
    )
