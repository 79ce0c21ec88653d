"""The first few points of a study, before a model can say anything."""

from __future__ import annotations

import numpy as np

from tuner.surrogate.columns import Columns, Floats
from tuner.surrogate.gaussian.fitting import Hyper, usual_length
from tuner.surrogate.gaussian.gp import GaussianProcess
from tuner.surrogate.search.task import SearchTask

#: Number of trials that are spread over the space before a model chooses.
START = 4
#: Number of points that may be proposed, and of points at which the objective should become known.
_CANDIDATES, _PLACES = 256, 512
#: The assumed lengthscale, as a share of the usual one: a design that covers the space for a wiggly
#: objective also covers it for a smooth one.
_RESTLESS = 0.5
#: Assumed variance of the noise, in units of the objective's variance.
_NOISE = 0.01


def spread(task: SearchTask, placed: Floats) -> Floats | None:
    """Return the most informative point given the placed ones; the first one is the centre.

    Args:
        task: the space, the points that are taken and the values that are fixed.
        placed: points of all trials so far, including running ones, shape (n, d).

    Returns:
        Shape (d,); None when every point of the space was tried.
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
    places = task.walk(task.grounds.sample(_PLACES, task.seed + 1))
    return as_point(found[np.argsort(-learnt(columns, found, placed, places), kind="stable")])


def as_point(x: Floats) -> Floats:
    """Return the first of several points (m, d), shape (d,)."""
    point: Floats = x[0]
    return point


def learnt(columns: Columns, x: Floats, placed: Floats, places: Floats) -> Floats:
    """Return the variance at `places` that a trial at each point would remove.

    Points at the edge of a space say little about its inside, and in many dimensions nearly all
    points that are far from each other lie at the edge. So the criterion is not distance but what a
    model would learn on average over the space, before any value is known.

    Args:
        columns: describes the columns of the points.
        x: points, shape (m, d).
        placed: points that were tried or are being tried, shape (n, d), n at least 1.
        places: points at which the objective should become known, shape (k, d).

    Returns:
        Mean variances in units of the objective's variance, shape (m,).

    Source: the integrated mean squared error of Sacks, Welch, Mitchell & Wynn (1989), "Design and
    analysis of computer experiments", one point at a time.
    """
    length = _RESTLESS * usual_length(places)
    model = GaussianProcess(
        columns=columns,
        x=placed,
        z=np.zeros(len(placed)),
        hyper=Hyper(weights=np.full(len(columns), length**-2), scale=1.0, noise=_NOISE),
        noise=np.full(len(placed), _NOISE),
    )
    _, covariance = model.joint(np.concatenate([x, places]))
    own = np.diag(covariance)[: len(x)] + _NOISE
    taken: Floats = np.mean(covariance[: len(x), len(x) :] ** 2, axis=1) / own
    return taken
