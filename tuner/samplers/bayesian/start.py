"""The first few points of a study, before a model can say anything."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from tuner.surrogate.columns import Columns, Floats
from tuner.surrogate.task import Task

#: Trials that are spread over the space before the model chooses.
START = 2
_CANDIDATES = 256
#: Squared distance in one column below which two points count as the same there.
_NEAR = 0.02


def spread(task: Task, placed: Floats) -> Floats | None:
    """Return a point that is far from the placed ones in every column; the middle comes first.

    Args:
        task: the space, what is taken and what is given.
        placed: points of all trials so far, shape (n, d).

    Returns:
        Shape (d,); None when the space is tried out.
    """
    columns = task.grounds.columns
    middle = task.walk(np.full((1, len(columns)), np.nan))
    if task.open(middle)[0]:
        return as_point(middle)
    found = task.walk(task.grounds.sample(_CANDIDATES, task.seed))
    found = found[task.open(found)]
    if not len(found):
        return None
    if not len(placed):
        return as_point(found)
    return as_point(found[np.argsort(crowding(columns, found, placed), kind="stable")])


def as_point(x: Floats) -> Floats:
    """Return the first of several points (m, d), shape (d,)."""
    point: Floats = x[0]
    return point


def crowding(columns: Columns, x: Floats, placed: Floats) -> Floats:
    """Return how close points come to placed ones, shape (m,); smaller is better.

    The distances of the columns are multiplied, so that a point is far only if it differs in every
    column: few points then show every parameter at different values.

    Source: the criterion of Joseph, Gul & Ba (2015), "Maximum projection designs".
    """
    here, there = columns.fill(x), columns.fill(placed)
    squares = (here[:, None, :] - there[None, :, :]) ** 2
    squares[:, :, columns.is_choice] = 0.25 * (squares[:, :, columns.is_choice] > 0)
    logs = -np.log(squares + _NEAR).sum(axis=2)
    return np.asarray(logsumexp(logs, axis=1))
