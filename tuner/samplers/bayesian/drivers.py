"""What makes a proposal worth a trial: each of its parameters against the best trial so far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import log_ndtr

from tuner.samplers.bayesian.data import TrainingData
from tuner.space.encoding import Encoding
from tuner.surrogate.columns import Floats
from tuner.surrogate.search.acquisition import Arms, log_improvement

#: Maximum number of parameters to name: those whose change is worth most.
COUNT = 4
#: Minimum worth of a named parameter, as a difference of log expected improvement.
_LEAST = 0.05
#: Positions closer than this are equal.
_SAME = 1e-9
_TINY = float(np.finfo(float).tiny)


def driven_by(
    arms: Arms, data: TrainingData, encoding: Encoding, x: Floats, unit: Callable[[Floats], Floats]
) -> dict[str, Any] | None:
    """Return what a proposal is worth compared with the best trial so far, as JSON values.

    Every parameter that differs is set back, alone, to its value in that trial, together with the
    parameters that depend on it. Its worth is the log expected improvement that this loses.

    Args:
        arms: models with the logarithms of their weights.
        data: what they were fitted to.
        encoding: the encoding of the study's space.
        x: the proposal, shape (d,).
        unit: transforms z to the metric's unit.

    Returns:
        `trial`: number of the best trial; `exploring`: the share of the expected improvement that
        is due to uncertainty, from 0 to 1; `drivers`: for each parameter, the most valuable first,
        its `name`, its `worth`, and what would be expected with it set back: `mean`, `low` and
        `high`, one standard deviation to either side, in the metric's unit. None if no trial has a
        usable value.
    """
    whole = data.feasible & (data.newest >= 0)
    if not whole.any():
        return None
    # The final value of a stopped trial is unknown, so it is not compared with.
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
    """Return the expected improvement at points (m, d), and the part of it due to the means, (m,).

    With m the improvement of the mean over the best value, s the standard deviation and u = m / s,
    the expected improvement is m Phi(u) + s phi(u), and the part is its first term where that is
    positive. Both are kept above 0 by the smallest number, so that they can be divided.
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
    """Return the mean and standard deviation of a mixture at points (m, d), both of shape (m,)."""
    weights = np.exp([weight for weight, _ in arms])
    weights /= weights.sum()
    each = [model.predict(x) for _, model in arms]
    means, stds = np.array([mean for mean, _ in each]), np.array([std for _, std in each])
    mean = weights @ means
    return mean, np.sqrt(np.maximum(weights @ (stds**2 + means**2) - mean**2, 1e-20))
