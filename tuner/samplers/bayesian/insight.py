"""What a proposal says of itself: JSON values by name, kept with the trial, for `explain`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuner.samplers.bayesian.observations import Observations
from tuner.surrogate.bounds import Bounds
from tuner.surrogate.columns import Floats
from tuner.surrogate.history.prior import Prior
from tuner.surrogate.warp import Scale

#: Deviations to either side of the mean between which 90 % of a normal distribution lie.
NINETY = 1.645
#: In the study's own values: what is expected, and the interval that is to hold nine of ten values.
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


def objective_values(insight: Insight, scale: Scale, sign: float, bounds: Bounds) -> Insight:
    """Return mean and interval of an insight that knows them on the z scale.

    Nothing while all values are equal: one unit of z has no size then.

    Args:
        insight: with `mean` and `std`.
        scale: the way back from z.
        sign: -1 where the study maximises.
        bounds: of the objective's values.
    """
    if scale.is_flat:
        return {}
    mean, reach = insight["mean"], NINETY * insight["std"]
    found = sign * scale.value(np.array([mean, mean - reach, mean + reach]))
    middle, *ends = bounds.clip(found)
    return dict(zip(_OBJECTIVE, [float(middle), *map(float, sorted(ends))], strict=True))
