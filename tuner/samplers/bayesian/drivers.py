"""What makes a proposal worth a trial: each of its parameters, against the best trial so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import log_ndtr

from tuner.samplers.bayesian.data import TrainingData
from tuner.space.encoding import Encoding
from tuner.surrogate.columns import Floats
from tuner.surrogate.search.acquisition import Arms, log_improvement

#: So many parameters are named, those whose change is worth most.
COUNT = 4
#: Each is worth at least this much: in logarithms of the expected improvement.
_LEAST = 0.05
#: Positions nearer than this are the same.
_SAME = 1e-9
_TINY = float(np.finfo(float).tiny)


def driven_by(
    arms: Arms, data: TrainingData, encoding: Encoding, x: Floats, unit: Callable[[Floats], Floats]
) -> dict[str, Any] | None:
    """Return what a proposal is worth against the best trial so far, as JSON values.

    Every parameter that differs is put back to where that trial had it, alone; what depends on it
    goes along. A parameter drives the proposal by how much expected improvement is lost with that.

    Args:
        arms: models with the logarithms of their weights.
        data: what they were fitted to.
        encoding: of the study's space.
        x: the proposal, shape (d,).
        unit: the way from z to the metric's unit.

    Returns:
        `trial`: number of the best one; `exploring`: which share of the expected improvement is
        owed to what is not known, from 0 to 1; `drivers`: of each parameter, the one that is worth
        most first, its `name`, `worth`, and what would be expected with it put back: `mean`, `low`
        and `high`, one deviation to either side, in the metric's unit. None where no trial has a
        value that counts.
    """
    whole = data.feasible & (data.newest >= 0)
    if not whole.any():
        return None
    # Of trials that were stopped nobody knows the value: they are not what is compared with.
    known = whole & (data.extra == 0.0) if (whole & (data.extra == 0.0)).any() else whole
    row = int(np.argmin(np.where(known, data.z[:, 0], np.inf)))
    best = data.x[row]
    columns = [
        column
        for column in range(len(encoding))
        if not np.isnan(x[column])
        and not np.isnan(best[column])
        and abs(x[column] - best[column]) > _SAME
    ]
    back = np.tile(np.where(np.isnan(x), best, x), (len(columns), 1))
    back[np.arange(len(columns)), columns] = best[columns]
    points = np.concatenate([x[None], encoding.canonical(back)])
    mean, std = _moments(arms, points)
    improvement, promised = _improvement(arms, points, data.x[data.feasible])
    lost = np.log(improvement[0] / improvement[1:])
    order = [int(at) for at in np.argsort(-lost, kind="stable")[:COUNT] if lost[at] > _LEAST]
    return {
        "trial": int(data.newest[row]),
        "exploring": float(1.0 - promised[0] / improvement[0]),
        "drivers": [
            {
                "name": encoding.names[columns[at]],
                "worth": float(lost[at]),
                **_in_unit(float(mean[at + 1]), float(std[at + 1]), unit),
            }
            for at in order
        ],
    }


def _improvement(arms: Arms, x: Floats, good: Floats) -> tuple[Floats, Floats]:
    """Return the expected improvement at points (m, d), and the part that the means promise, (m,).

    With m the improvement of a mean on the best value, s the deviation and u = m / s, the whole is
    m Phi(u) + s phi(u), and its first term is the part, where it is positive. Both are above 0 by
    the least number, so that they can be divided.
    """
    whole, promised = np.full(len(x), _TINY), np.zeros(len(x))
    for log_weight, model in arms:
        mean, std = model.predict(x)
        u = (float(model.predict(good)[0].min()) - mean) / std
        weight = float(np.exp(log_weight))
        whole += weight * std * np.exp(log_improvement(u))
        promised += weight * std * np.maximum(u, 0.0) * np.exp(log_ndtr(u))
    return whole, np.minimum(promised, whole)


def _in_unit(mean: float, std: float, unit: Callable[[Floats], Floats]) -> dict[str, float]:
    middle, *ends = map(float, unit(np.array([mean, mean - std, mean + std])))
    return {"mean": middle, "low": min(ends), "high": max(ends)}


def _moments(arms: Arms, x: Floats) -> tuple[Floats, Floats]:
    """Return mean and deviation of a mixture at points (m, d), shapes (m,) and (m,)."""
    weights = np.exp([weight for weight, _ in arms])
    weights /= weights.sum()
    each = [model.predict(x) for _, model in arms]
    means, stds = np.array([mean for mean, _ in each]), np.array([std for _, std in each])
    mean = weights @ means
    return mean, np.sqrt(np.maximum(weights @ (stds**2 + means**2) - mean**2, 1e-20))
