"""The search for the most valuable point for a trial, in a space with any kinds of parameters.

A pool of points (spread over the space, and around the best ones seen) is evaluated; the best few
climb in their real entries and try every value of their grids and choices in turn, until nothing
gains. Conditions are applied again after each change.
"""

from __future__ import annotations

import numpy as np

from tuner.surrogate.columns import Flags, Floats
from tuner.surrogate.search.acquisition import Acquisition
from tuner.surrogate.search.ascent import climb
from tuner.surrogate.search.neighbours import LISTED, neighbours
from tuner.surrogate.search.task import SearchTask

#: Number of points around the best ones, as a share of those spread over the space.
_NEAR = 0.375
#: Number of points that climb, and maximum number of rounds.
_STARTS = 6
_ROUNDS = 4
#: Number of starts that continue after the first round.
_FINALISTS = 3
#: With more grids and choices than this, each round tries this number of them, drawn at random.
_MOST_COLUMNS = 48
#: A round that gains less than this (as log acquisition) is the last one.
_GAIN = 1e-3


def maximise(acquisition: Acquisition, task: SearchTask) -> tuple[Floats, float] | None:
    """Return the best point that may be proposed, shape (d,), and its value.

    None if no such point was found: the space is exhausted or forbidden.
    """
    random = np.random.default_rng([task.seed, 1])
    pool = task.walk(
        np.concatenate([task.grounds.sample(task.pool, task.seed), _near(task, random)])
    )
    pool = pool[task.open(pool)]
    if not len(pool):
        return None
    values = acquisition.value(pool)
    chosen = _choose(values, random)
    ends, end_values = _improve(acquisition, task, pool[chosen], values[chosen], random)
    ends = np.concatenate([ends, pool[chosen]])
    end_values = np.concatenate([end_values, values[chosen]])
    best = int(np.argmax(end_values))
    return ends[best], float(end_values[best])


def _choose(values: Floats, random: np.random.Generator) -> list[int]:
    """Return the best point and others, drawn with probabilities by value (Gumbel trick)."""
    spread = max(float(np.std(values)), 1e-12)
    noisy = values / spread + random.gumbel(size=len(values)) * 0.3
    noisy[int(np.argmax(values))] = np.inf
    return list(np.argsort(-noisy)[:_STARTS])


def _near(task: SearchTask, random: np.random.Generator) -> Floats:
    """Return points around the best ones: some entries moved a little, some drawn again."""
    if not len(task.best):
        return np.empty((0, len(task.grounds.columns)))
    d = len(task.grounds.columns)
    count = int(_NEAR * task.pool)
    rows = np.minimum(random.geometric(0.4, size=count) - 1, len(task.best) - 1)
    x = task.best[rows].copy()
    fresh = task.grounds.sample(count, task.seed + 1)
    fresh = fresh[np.arange(count) % max(len(fresh), 1)] if len(fresh) else x
    changed = random.random(x.shape) < max(1.0 / max(d, 1), 0.35)  # nosec B311  # numpy's, seeded
    width = 10.0 ** random.uniform(-2.5, -0.5, size=(count, 1))  # nosec B311  # numpy's, seeded
    moved = np.clip(x + width * random.normal(size=x.shape), 0.0, 1.0)
    anew = task.grounds.columns.is_choice | (random.random(x.shape) < 0.1) | np.isnan(x)  # nosec B311  # numpy's, seeded
    x = np.where(changed, np.where(anew, fresh, moved), x)
    # An entry that became active without a value takes the sampled one, if that has one.
    return np.where(np.isnan(x), fresh, x)


def _improve(
    acquisition: Acquisition,
    task: SearchTask,
    x: Floats,
    values: Floats,
    random: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Return the points after climbing and changing single entries, with their values."""
    columns = task.grounds.columns
    pinned = np.zeros(len(columns), dtype=bool)
    pinned[list(task.pins)] = True
    long = np.array(
        [
            kind == "grid" and size > LISTED
            for kind, size in zip(columns.kinds, columns.sizes, strict=True)
        ],
        dtype=bool,
    )
    real = np.array([kind == "real" for kind in columns.kinds], dtype=bool) & ~pinned
    steps = [j for j in range(len(columns)) if not real[j] and not pinned[j]]
    smooth = real | (long & ~pinned)
    # Points that have changed since they last climbed.
    fresh: Flags = np.ones(len(x), dtype=bool)
    for round_ in range(_ROUNDS):
        before = values.copy()
        climbing = smooth if round_ == 0 else real
        x[fresh], values[fresh] = _climb(acquisition, task, x[fresh], values[fresh], climbing)
        if not steps:
            break
        climbed = x
        turn = random.permutation(steps)[:_MOST_COLUMNS].tolist()
        x, values = _step(acquisition, task, x, values, turn, random)
        if np.all(values - before < _GAIN):
            break
        fresh = _differ(x, climbed)
        if round_ == 0 and long.any():
            # Climbing has also moved entries on long grids, which were snapped afterwards.
            fresh[:] = True
        best = np.argsort(-values, kind="stable")[:_FINALISTS]
        x, values, fresh = x[best], values[best], fresh[best]
    return x, values


def _differ(left: Floats, right: Floats) -> Flags:
    """Return which points differ, shape (m,); NaN equals NaN."""
    differ: Flags = np.any((left != right) & ~(np.isnan(left) & np.isnan(right)), axis=1)
    return differ


def _climb(
    acquisition: Acquisition, task: SearchTask, x: Floats, values: Floats, smooth: Flags
) -> tuple[Floats, Floats]:
    moving = smooth[None, :] & ~np.isnan(x)
    if not moving.any():
        return x, values
    ends, end_values = climb(acquisition, x, moving)
    walked = task.walk(ends)
    if not np.array_equal(walked, ends, equal_nan=True):
        ends, end_values = walked, acquisition.value(walked)
    better = (end_values > values) & task.open(ends)
    return np.where(better[:, None], ends, x), np.where(better, end_values, values)


def _step(
    acquisition: Acquisition,
    task: SearchTask,
    x: Floats,
    values: Floats,
    steps: list[int],
    random: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Return each point, or the best one that differs from it in one grid or choice."""
    owners, tried = neighbours(task, x, steps, random)
    keep = task.open(tried)
    owners, tried = owners[keep], tried[keep]
    if not len(tried):
        return x, values
    found = acquisition.value(tried)
    x, values = x.copy(), values.copy()
    order = np.argsort(found, kind="stable")
    # The last write wins: the best variant of each point.
    best = np.full(len(x), -1)
    best[owners[order]] = order
    for row, index in enumerate(best):
        if index >= 0 and found[index] > values[row]:
            x[row], values[row] = tried[index], found[index]
    return x, values
