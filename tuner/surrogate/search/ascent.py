"""Climbs from several points at once: a quasi-Newton method in a box, in one batch.

All points climb together, because evaluating a model at 30 points costs little more than at one.
"""

from __future__ import annotations

import numpy as np

from tuner.surrogate.columns import Flags, Floats
from tuner.surrogate.search.acquisition import Acquisition

_ROUNDS = 16
#: Lengths of a step to try, as multiples of the Newton step.
_LENGTHS = np.array([1.0, 0.4, 0.1, 0.02, 2.5])
#: Length of the first step, in the unit cube.
_FIRST = 0.1
#: A point has converged when it gains less than this in a round (as log acquisition).
_GAIN = 1e-3
#: A point is dropped if this many gains as large as its last one would not make it the best.
_HOPE = 10.0


def climb(acquisition: Acquisition, x: Floats, moving: Flags) -> tuple[Floats, Floats]:
    """Return points at least as good as the given ones, and their values.

    Args:
        x: points to start from, shape (m, d).
        moving: entries that may change, shape (m, d); they stay within [0, 1].

    Returns:
        Points (m, d) and values (m,).
    """
    x = x.copy()
    mask = moving.astype(float)
    value, gradient = acquisition.slope(x, mask)
    if not moving.any():
        return x, value
    curvature = _fresh(gradient)
    is_fresh = np.ones(len(x), dtype=bool)
    going = np.ones(len(x), dtype=bool)
    for _ in range(_ROUNDS):
        rows = np.flatnonzero(going)
        if not len(rows):
            break
        step = _direction(x[rows], gradient[rows], curvature[rows], moving[rows])
        there, best = _longest(acquisition, x[rows], step, moving[rows])
        gain = best - value[rows]
        up = gain > 0
        moved = rows[up]
        if len(moved):
            new_value, new_gradient = acquisition.slope(there[up], mask[moved])
            curvature[moved] = _update(
                curvature[moved],
                np.where(moving[moved], there[up] - x[moved], 0.0),
                gradient[moved] - new_gradient,
                is_fresh[moved],
            )
            x[moved], value[moved], gradient[moved] = there[up], new_value, new_gradient
        # Points that do not climb along the Newton step get one try along the gradient.
        stuck = rows[gain <= _GAIN]
        going[stuck] = ~is_fresh[stuck]
        curvature[stuck] = _fresh(gradient[stuck])
        is_fresh[rows] = gain <= _GAIN
        # A point that would need many gains as large as its last one to be the best is dropped.
        going[rows] &= value[rows] + _HOPE * np.maximum(gain, _GAIN) >= value.max()
    return x, value


def _fresh(gradient: Floats) -> Floats:
    """Return multiples of the identity whose step has length `_FIRST`, shape (m, d, d)."""
    lengths = _FIRST / np.maximum(np.linalg.norm(gradient, axis=1), 1e-12)
    fresh: Floats = lengths[:, None, None] * np.eye(gradient.shape[1])
    return fresh


def _direction(x: Floats, gradient: Floats, curvature: Floats, moving: Flags) -> Floats:
    """Return the Newton steps of the free entries, at most half the cube long."""
    free = moving & ~((x <= 0.0) & (gradient < 0)) & ~((x >= 1.0) & (gradient > 0))
    pull = np.where(free, gradient, 0.0)
    step = np.where(free, np.einsum("mij,mj->mi", curvature, pull), 0.0)
    # The curvature of the freed entries alone may point down: then use the gradient.
    down = np.einsum("mi,mi->m", step, pull) <= 0
    step[down] = np.einsum("mij,mj->mi", _fresh(pull[down]), pull[down])
    length = np.maximum(np.abs(step).max(axis=1, initial=0.0), 1e-300)
    limited: Floats = step * np.minimum(1.0, 0.5 / length)[:, None]
    return limited


def _longest(
    acquisition: Acquisition, x: Floats, step: Floats, moving: Flags
) -> tuple[Floats, Floats]:
    """Return the best of several lengths of each step, and its value."""
    tried = x[:, None, :] + _LENGTHS[None, :, None] * step[:, None, :]
    tried = np.where(moving[:, None, :], np.clip(tried, 0.0, 1.0), x[:, None, :])
    values = acquisition.value(tried.reshape(-1, x.shape[1])).reshape(len(x), len(_LENGTHS))
    best = np.argmax(values, axis=1)
    rows = np.arange(len(x))
    return tried[rows, best], values[rows, best]


def _update(curvature: Floats, step: Floats, change: Floats, is_fresh: Flags) -> Floats:
    """Return the inverse curvature after a step that changed the gradient (BFGS).

    Source: Nocedal & Wright (2006), eq. 6.17, and eq. 6.20 for the first step.
    """
    product = np.einsum("mi,mi->m", step, change)
    squared = np.einsum("mi,mi->m", change, change)
    good = product > 1e-10 * np.sqrt(np.einsum("mi,mi->m", step, step) * squared)
    safe = np.where(good, product, 1.0)
    first = np.where(good & is_fresh, product / np.maximum(squared, 1e-300), 1.0)
    identity = np.eye(step.shape[1])
    base = np.where((good & is_fresh)[:, None, None], first[:, None, None] * identity, curvature)
    bent = np.einsum("mij,mj->mi", base, change)
    weight = (1.0 + np.einsum("mi,mi->m", change, bent) / safe) / safe
    cross = bent[:, :, None] * step[:, None, :] / safe[:, None, None]
    updated = base + weight[:, None, None] * step[:, :, None] * step[:, None, :]
    updated -= cross + cross.transpose(0, 2, 1)
    return np.where(good[:, None, None], updated, curvature)
