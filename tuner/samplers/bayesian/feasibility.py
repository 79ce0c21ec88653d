"""How likely a configuration is to meet the constraints, and to work at all."""

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

#: Values further from 0 than this, in typical values, would flatten the border.
_FAR = 3.0
#: The least deviation of a constraint's values, in typical values.
_NARROW = 0.3
#: So many labels are looked at, most of them new ones: where the search is, the border counts.
_MOST = 200
#: Up to so many ended trials every failure is believed: so few tell no region from chance.
_DOUBTED_FROM = 10
#: By how much their places must foretell the failures better than their rate does, in nats.
_FORETOLD = 1.0
#: The chance that a model of the place knows nothing of a trial.
_IGNORANT = 0.05
#: What the chance to work is raised to grows by so much times the share of failures among so many
#: of the newest ended trials: at a border where one trial after the other fails, the next has to be
#: more certain.
_CAUTION, _RECENT = 20.0, 20
#: A trial is to end in time in 19 of 20 cases. The model knows the time limit well, and would try
#: again and again to be just as quick as that.
_IN_TIME = 1.645
#: Variance of a label, in units of its deviation: now and then one fails where others work.
_LABEL_VARIANCE = 0.1
#: The same where the search asks for the chance to work. Of labels that are taken at their word a
#: model is sure half a range away, and the search goes where it is wrongly sure.
_ASKED_VARIANCE = 1.0


def without_chance(columns: Columns, seen: Observations) -> Observations:
    """Return the observations; failures that may happen anywhere speak against no place in them.

    A failure that its place does not foretell (a broken file, a flaky machine) would drive the
    search away from the best place as soon as one trial fails there. What took too long, as others
    explain, is not doubted.
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
    """Return how much better than by their rate the failures are foretold by their places, in nats.

    Whether each trial failed is foretold from the others: by a model of the place, which is given
    a small chance to know nothing, and by the others' rate. Scored is the probability of what
    happened, not the density of a label: one surprise at a border must not outweigh the rest.
    """
    z, border = _scaled(np.where(failed, 1.0, -1.0))
    mean, variance = fit_gp(columns, x, z, extra=np.full(len(z), _LABEL_VARIANCE)).loo()
    # Jeffreys' estimate of the rate among the others.
    rate = (failed.sum() - failed + 0.5) / len(failed)
    by_place = (1.0 - _IGNORANT) * ndtr((mean - border) / np.sqrt(variance)) + _IGNORANT * rate
    gain = np.where(failed, by_place / rate, (1.0 - by_place) / (1.0 - rate))
    return float(np.log(gain).sum())


def feasibility(columns: Columns, seen: Observations) -> LogFeasibility | None:
    """Return the probability that all constraints are met; None where none was ever violated.

    Each constraint has a model of its own. That a configuration made its trial fail is one more:
    1 where it did, -1 where it did not, and 0 between them the border. So are durations: a trial
    that is known to take long need not fail first.
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
    """Return a model of a constraint, and where 0 lies on its scale."""
    # A constraint is met at 0, whatever its unit.
    typical = max(float(np.median(np.abs(values))), 1e-12)
    z, limit = _scaled(np.clip(values / typical, -_FAR, _FAR))
    return fit_gp(columns, x, z), limit


def _scaled(values: Floats) -> tuple[Floats, float]:
    """Return values of about mean 0 and deviation 1, and where 0 lies among them."""
    centre, width = float(values.mean()), max(float(values.std()), _NARROW)
    return (values - centre) / width, -centre / width
