"""Points that differ from a given one in a single grid or choice."""

from __future__ import annotations

import numpy as np

from tuner.surrogate.columns import Floats, Numbers
from tuner.surrogate.search.task import Grounds, SearchTask

#: Grids and choices with at most this number of values are tried value by value.
LISTED = 24
#: Number of values to try for a parameter that becomes active.
_FILLS = 4


def neighbours(
    task: SearchTask, x: Floats, steps: list[int], random: np.random.Generator
) -> tuple[Numbers, Floats]:
    """Return points that differ in one entry, and the index of each one's origin."""
    owners, rows = [], []
    for row, point in enumerate(x):
        for column in steps:
            if np.isnan(point[column]):
                continue
            for value in _alternatives(task.grounds, column, float(point[column]), random):
                changed = point.copy()
                changed[column] = value
                owners.append(row)
                rows.append(changed)
    if not rows:
        return np.empty(0, dtype=int), np.empty((0, x.shape[1]))
    return _filled(task, np.array(owners), np.array(rows), random)


def _alternatives(
    grounds: Grounds, column: int, value: float, random: np.random.Generator
) -> Floats:
    """Return other values of one entry: all of a short list, else neighbours and some far ones."""
    values = grounds.values(column)
    here = int(np.argmin(np.abs(values - value)))
    if len(values) <= LISTED:
        return np.delete(values, here)
    if grounds.columns.is_choice[column]:
        return random.choice(np.delete(values, here), size=LISTED, replace=False)  # nosec B311  # numpy's generator, seeded
    reach = 2 ** np.arange(int(np.log2(len(values))))
    near = np.concatenate([here - reach, here + reach])
    inside: Floats = values[near[(near >= 0) & (near < len(values))]]
    return inside


def _filled(
    task: SearchTask, owners: Numbers, x: Floats, random: np.random.Generator
) -> tuple[Numbers, Floats]:
    """Return canonical points; a parameter that became active gets several values."""
    plain = task.walk(x)
    woken = np.flatnonzero((~np.isnan(plain) & np.isnan(x)).any(axis=1))
    if not len(woken):
        return owners, plain
    copies = np.repeat(x[woken], _FILLS, axis=0)
    donors = _donors(task, len(copies), random)
    copies = task.walk(np.where(np.isnan(copies), donors, copies))
    return (
        np.concatenate([owners, np.repeat(owners[woken], _FILLS)]),
        np.concatenate([plain, copies]),
    )


def _donors(task: SearchTask, count: int, random: np.random.Generator) -> Floats:
    """Return full points: the first of each `_FILLS` from the best seen, the others at random."""
    columns = task.grounds.columns
    drawn = random.random((count, len(columns)))  # nosec B311  # numpy's generator, seeded
    for column, kind in enumerate(columns.kinds):
        if kind != "real":
            values = task.grounds.values(column)
            drawn[:, column] = values[random.integers(len(values), size=count)]
        seen = task.best[:, column] if len(task.best) else np.empty(0)
        seen = seen[~np.isnan(seen)]
        if len(seen):
            drawn[::_FILLS, column] = seen[0]
    return drawn
