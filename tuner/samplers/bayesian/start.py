"""The first few points of a study, before a model can say anything."""

from __future__ import annotations

import numpy as np

from tuner.surrogate.columns import Columns, Floats
from tuner.surrogate.gaussian.fitting import Hyper, usual_length
from tuner.surrogate.gaussian.gp import GaussianProcess
from tuner.surrogate.search.task import SearchTask

#: Trials that are spread over the space before the model chooses.
START = 4
#: Points that may be proposed, and places where the objective is to become known.
_CANDIDATES, _PLACES = 256, 512
#: The lengthscale that is reckoned with, as a share of the usual one: what covers the space for a
#: restless objective covers it for a calm one.
_RESTLESS = 0.5
#: Variance of the noise that is reckoned with, in units of the objective's.
_NOISE = 0.01


def spread(task: SearchTask, placed: Floats) -> Floats | None:
    """Return a point from which most is learnt beside the placed ones; the middle comes first.

    Args:
        task: the space, what is taken and what is given.
        placed: points of all trials so far, running ones too, shape (n, d).

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
    places = task.walk(task.grounds.sample(_PLACES, task.seed + 1))
    return as_point(found[np.argsort(-learnt(columns, found, placed, places), kind="stable")])


def as_point(x: Floats) -> Floats:
    """Return the first of several points (m, d), shape (d,)."""
    point: Floats = x[0]
    return point


def learnt(columns: Columns, x: Floats, placed: Floats, places: Floats) -> Floats:
    """Return how much of the variance at `places` a trial at each point would take away.

    Points at the edge of a space say little about its inside, and in many dimensions nearly all
    points that are far from each other lie at the edge. Hence not distance counts, but what a
    model would know everywhere, on average, before any value is known.

    Args:
        columns: of the points.
        x: points, shape (m, d).
        placed: points that were tried or are being tried, shape (n, d), n at least 1.
        places: where the objective is to become known, shape (k, d).

    Returns:
        Mean variances in units of the objective's, shape (m,).

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
