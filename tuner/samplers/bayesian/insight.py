"""What a proposal records about itself: JSON values by name, kept with the trial, for `explain`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuner.samplers.bayesian.observations import Observations
from tuner.surrogate.bounds import Bounds
from tuner.surrogate.columns import Floats
from tuner.surrogate.history.prior import Prior
from tuner.surrogate.warp import Scale

#: Number of standard deviations to either side of the mean that hold 90 % of a normal distribution.
NINETY = 1.645
#: In the metric's unit: the expected value, and the interval that should hold nine of ten values.
_OBJECTIVE = ("objective_mean", "objective_low", "objective_high")
#: What an insight takes from the models, None where they have no answer. All on the z scale except
#: the last three.
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
    """Return the part that every proposal has; what comes from the models is still None.

    Args:
        prior: the prior from history, if there is one.
        seen: what the proposal was conditioned on.
        model: the name of what chose the point.
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
    """Return the mean and interval of an insight in objective values.

    Empty while all values are equal, because one unit of z then has no size.

    Args:
        insight: with `mean` and `std`.
        scale: transforms z back to objective values.
        sign: -1 if the study maximizes.
        bounds: the range that the objective's values can have.
    """
    if scale.is_flat:
        return {}
    mean, reach = insight["mean"], NINETY * insight["std"]
    found = sign * scale.value(np.array([mean, mean - reach, mean + reach]))
    middle, *ends = bounds.clip(found)
    return dict(zip(_OBJECTIVE, [float(middle), *map(float, sorted(ends))], strict=True))
