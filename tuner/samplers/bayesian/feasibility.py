"""How likely a configuration is to meet the constraints, and to run without failing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import ndtr

from tuner.samplers.bayesian.observations import Observations
from tuner.surrogate.columns import Columns, Flags, Floats
from tuner.surrogate.gaussian.gp import fit_gp
from tuner.surrogate.gaussian.subset import choose_subset
from tuner.surrogate.model import Model
from tuner.surrogate.search.acquisition import LogFeasibility

#: Constraint values are clipped to this magnitude, in units of the median magnitude: larger ones
#: would flatten the model near the boundary.
_FAR = 3.0
#: Minimum standard deviation of a constraint's values, in units of their median magnitude.
_NARROW = 0.3
#: Maximum number of ended trials in the model of failures. Mostly new ones are kept: the boundary
#: matters where the search is now.
_MOST = 200
#: Below this number of ended trials every failure is attributed to its configuration: so few cannot
#: distinguish a bad region from chance.
_DOUBTED_FROM = 10
#: Minimum gain in log likelihood, in nats, of predicting failures from their points instead of from
#: their overall rate.
_FORETOLD = 1.0
#: The probability that the model of failures knows nothing about a trial.
_IGNORANT = 0.05
#: The log probability of success is multiplied by 1 + `_CAUTION` times the share of failures among
#: the `_RECENT` newest ended trials: after a run of failures at a boundary, the next trial has to
#: be safer.
_CAUTION, _RECENT = 20.0, 20
#: Normal quantile of 0.95: a trial has to end in time with this probability. The model knows the
#: time limit well, and would otherwise keep proposing trials that only just meet it.
_IN_TIME = 1.645
#: Variance of a failure label, in squared standard deviations: an occasional trial fails where
#: others succeed.
_LABEL_VARIANCE = 0.1
#: The same for the model that the search queries. A model that trusts its labels is certain half a
#: range away from them, and the search goes where it is wrongly certain.
_ASKED_VARIANCE = 1.0


def without_chance(columns: Columns, seen: Observations) -> Observations:
    """Return the observations, ignoring failures that do not depend on the configuration.

    A failure that its point does not predict (a broken file, a flaky machine) would drive the
    search away from the best region as soon as one trial fails there. Trials that took too long are
    not doubted if the durations of others confirm it.
    """
    failed = seen.broken & ~seen.overdue
    if len(failed) < _DOUBTED_FROM or not failed.any() or failed.all():
        return seen
    x, failed = _labelled(columns, seen)
    if failed.all() or not failed.any() or _gain_of_places(columns, x, failed) > _FORETOLD:
        return seen
    return replace(seen, broken=seen.overdue)


def _labelled(columns: Columns, seen: Observations) -> tuple[Floats, Flags]:
    """Return points of ended trials, at most `_MOST`, and which failed for an unknown reason."""
    x, failed = seen.judged_x, seen.broken & ~seen.overdue
    if len(x) <= _MOST:
        return x, failed
    age = np.arange(len(x), dtype=float)
    kept = choose_subset(columns, x, -age, age, _MOST)
    return x[kept], failed[kept]


def _gain_of_places(columns: Columns, x: Floats, failed: Flags) -> float:
    """Return the log likelihood, in nats, that points gain over the rate in predicting failures.

    Each trial's failure is predicted from the other trials in two ways: by a model of the points,
    mixed with a small chance that it knows nothing, and by the others' rate. The score is the
    probability of the outcome, not the density of a label: one surprise at a boundary must not
    outweigh the rest.
    """
    z, border = _scaled(np.where(failed, 1.0, -1.0))
    mean, variance = fit_gp(columns, x, z, extra=np.full(len(z), _LABEL_VARIANCE)).loo()
    # Jeffreys' estimate of the rate among the others.
    rate = (failed.sum() - failed + 0.5) / len(failed)
    by_place = (1.0 - _IGNORANT) * ndtr((mean - border) / np.sqrt(variance)) + _IGNORANT * rate
    gain = np.where(failed, by_place / rate, (1.0 - by_place) / (1.0 - rate))
    return float(np.log(gain).sum())


def feasibility(columns: Columns, seen: Observations) -> LogFeasibility | None:
    """Return the probability that all constraints are met; None if none was ever violated.

    Each constraint has its own model. Failing because of the configuration is one more constraint:
    1 for a failed trial, -1 otherwise, with the boundary at 0. Durations are another: a
    configuration that is known to take long can be avoided before it fails.
    """
    models: list[Model] = []
    limits: list[float] = []
    cautions: list[float] = []
    demands: list[float] = []
    unexplained = seen.broken & ~seen.overdue
    if unexplained.any():
        x, failed = _labelled(columns, seen)
        z, limit = _scaled(np.where(failed, 1.0, -1.0))
        models.append(fit_gp(columns, x, z, extra=np.full(len(z), _ASKED_VARIANCE)))
        limits.append(limit)
        cautions.append(1.0 + _CAUTION * float(unexplained[-_RECENT:].mean()))
        demands.append(-np.inf)
    if seen.timely is not None:
        models.append(seen.timely.model)
        limits.append(seen.timely.limit)
        cautions.append(1.0)
        demands.append(_IN_TIME)
    for values in seen.limits.T:
        known = np.isfinite(values)
        if np.any(values[known] > 0):
            model, limit = _model(columns, seen.judged_x[known], values[known])
            models.append(model)
            limits.append(limit)
            cautions.append(1.0)
            demands.append(-np.inf)
    return LogFeasibility(models, limits, cautions, demands) if models else None


def _model(columns: Columns, x: Floats, values: Floats) -> tuple[Model, float]:
    """Return a model of a constraint, and the position of 0 on its scale."""
    # A constraint is met at or below 0, whatever its unit.
    typical = max(float(np.median(np.abs(values))), 1e-12)
    z, limit = _scaled(np.clip(values / typical, -_FAR, _FAR))
    return fit_gp(columns, x, z), limit


def _scaled(values: Floats) -> tuple[Floats, float]:
    """Return values scaled to about mean 0 and standard deviation 1, and the position of 0."""
    centre, width = float(values.mean()), max(float(values.std()), _NARROW)
    return (values - centre) / width, -centre / width
