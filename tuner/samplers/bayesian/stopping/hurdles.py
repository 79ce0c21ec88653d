"""How likely a configuration is to pass the rungs at which a pruner stops trials.

The model may have found a region that ends well and begins badly: the pruner stops every trial
there and nothing new is learned about its end. When no recent trial has passed the rungs, the next
ones should be good early as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from tuner.samplers.bayesian.stopping.curve import ProgressCurve
from tuner.samplers.bayesian.stopping.standing import Standings
from tuner.surrogate.columns import Floats
from tuner.surrogate.gaussian.gp import GaussianProcess
from tuner.surrogate.model import Model
from tuner.surrogate.search.acquisition import LogFeasibility

#: Number of consecutive newest trials that a pruner must have stopped for the search to be starved.
STARVED = 15


def is_starved(curves: Sequence[ProgressCurve]) -> bool:
    """Return whether the newest trials were all stopped although some earlier ones were not."""
    newest = sorted(curves, key=lambda curve: curve.number)
    return any(c.final is not None for c in newest) and all(
        c.final is None for c in newest[-STARVED:]
    )


def hurdles(
    model: GaussianProcess, known: Standings, curves: Sequence[ProgressCurve]
) -> LogFeasibility | None:
    """Return the probability of being among the trials that continued from each rung.

    Args:
        model: predicts the standing from configuration and progress.
        known: the standings of the trials; `model` was fitted to all or some of these rows.
        curves: the learning curves of the trials.

    Returns:
        None if no rung stopped any trial.
    """
    models: list[Model] = []
    limits: list[float] = []
    furthest = np.zeros(len(curves))
    np.maximum.at(furthest, known.row, known.progress)
    for progress in np.unique(known.progress[known.progress < 1.0]):
        here = known.progress == progress
        went_on = furthest[known.row[here]] > progress
        if went_on.any() and not went_on.all():
            models.append(_AtProgress(model, float(progress)))
            limits.append(float(np.quantile(known.z[here], went_on.mean())))
    return LogFeasibility(models, limits) if models else None


@dataclass(frozen=True, eq=False)
class _AtProgress(Model):
    """The joint model at one progress, as a model of configurations only."""

    joint: GaussianProcess
    progress: float

    @override
    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        return self.joint.predict(self._there(x))

    def slopes(self, x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return mean, standard deviation and derivatives; see `tuner.surrogate.model.Smooth`."""
        mean, std, mean_slope, std_slope = self.joint.slopes(self._there(x))
        return mean, std, mean_slope[:, :-1], std_slope[:, :-1]

    @override
    def condition(self, x: Floats, z: Floats) -> Model:
        return _AtProgress(self.joint.condition(self._there(x), z), self.progress)

    @property
    @override
    def scatter(self) -> float:
        return self.joint.scatter

    @override
    def loo(self) -> tuple[Floats, Floats]:
        return self.joint.loo()

    def _there(self, x: Floats) -> Floats:
        return np.column_stack([x, np.full(len(x), self.progress)])
