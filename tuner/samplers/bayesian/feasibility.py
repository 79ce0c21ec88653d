"""How likely a configuration is to meet the constraints, and to work at all."""

from __future__ import annotations

import numpy as np

from tuner.samplers.bayesian.observations import Observations
from tuner.surrogate.acquisition import LogFeasibility
from tuner.surrogate.columns import Columns, Floats
from tuner.surrogate.gp import fit_gp
from tuner.surrogate.model import Model

#: Values further from 0 than this, in typical values, would flatten the border.
_FAR = 3.0
#: The least deviation of a constraint's values, in typical values.
_NARROW = 0.3


def feasibility(columns: Columns, seen: Observations) -> LogFeasibility | None:
    """Return the probability that all constraints are met; None where none was ever violated.

    Each constraint has a model of its own. That a configuration made its trial fail is one more:
    1 where it did, -1 where it did not, and 0 between them the border.
    """
    models: list[Model] = []
    limits: list[float] = []
    failed = [np.where(seen.broken, 1.0, -1.0)] if seen.broken.any() else []
    for values in [*failed, *seen.limits.T]:
        known = np.isfinite(values)
        if np.any(values[known] > 0):
            model, limit = _model(columns, seen.judged_x[known], values[known])
            models.append(model)
            limits.append(limit)
    return LogFeasibility(models, limits) if models else None


def _model(columns: Columns, x: Floats, values: Floats) -> tuple[Model, float]:
    """Return a model of a constraint, and where 0 lies on its scale."""
    # A constraint is met at 0, whatever its unit.
    typical = max(float(np.median(np.abs(values))), 1e-12)
    tamed = np.clip(values / typical, -_FAR, _FAR)
    centre, width = float(tamed.mean()), max(float(tamed.std()), _NARROW)
    return fit_gp(columns, x, (tamed - centre) / width), -centre / width
