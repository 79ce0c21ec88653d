"""What a proposal says of itself: JSON values by name, kept with the trial, for `explain`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuner.samplers.bayesian.observations import Observations
from tuner.surrogate.columns import Floats
from tuner.surrogate.prior import Prior
from tuner.surrogate.warp import Scale

#: In the study's own values: what is expected, and one deviation to either side.
_OBJECTIVE = ("objective_mean", "objective_low", "objective_high")
#: What an insight says of the models, None where they do not say it; on the z scale but for the
#: last three.
_SAID = (
    "trust",
    "mean",
    "std",
    "cold_mean",
    "cold_std",
    "warm_mean",
    "warm_std",
    "acquisition",
    "best",
    *_OBJECTIVE,
)

Insight = dict[str, Any]


def insight_of(prior: Prior | None, seen: Observations, model: str, x: Floats) -> Insight:
    """Return what is said of every proposal; what the models say of it is still None.

    Args:
        prior: what history says, if it says anything.
        seen: what the proposal was conditioned on.
        model: what chose the point.
        x: the point, shape (d,).
    """
    return {
        "model": model,
        **dict.fromkeys(_SAID),
        "nearest": [] if prior is None else prior.nearest(x),
        "told": len(seen.judged_x),
        "pending": list(seen.pending_numbers),
    }


def objective_values(insight: Insight, scale: Scale, sign: float) -> Insight:
    """Return mean and interval of an insight that knows them on the z scale.

    Args:
        insight: with `mean` and `std`.
        scale: the way back from z.
        sign: -1 where the study maximises.
    """
    mean, std = insight["mean"], insight["std"]
    middle, *ends = sign * scale.value(np.array([mean, mean - std, mean + std]))
    return dict(zip(_OBJECTIVE, [float(middle), *map(float, sorted(ends))], strict=True))
