"""How likely a configuration is to pass the rungs at which a pruner stops trials.

The model may have found a place that ends well and begins badly: the pruner stops every trial there
and nothing new is learnt of the end. When no trial has come through for a while, the next ones are
to be good early as well.
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

#: So many trials in a row that a pruner stopped, and none has come through for a while.
STARVED = 15


def is_starved(curves: Sequence[ProgressCurve]) -> bool:
    """Return whether the newest trials were all stopped although some came through before."""
    newest = sorted(curves, key=lambda curve: curve.number)
    return any(c.final is not None for c in newest) and all(
        c.final is None for c in newest[-STARVED:]
    )


def hurdles(
    model: GaussianProcess, known: Standings, curves: Sequence[ProgressCurve]
) -> LogFeasibility | None:
    """Return the probability to be among those that went on from each rung.

    Args:
        model: over configuration and progress.
        known: where the trials stand; `model` was fitted to these rows or some of them.
        curves: of the trials.

    Returns:
        None where no rung stopped anything.
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
    """The joint model at one progress, as a model of configurations alone."""

    joint: GaussianProcess
    progress: float

    @override
    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        return self.joint.predict(self._there(x))

    def slopes(self, x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return mean, deviation and their derivatives; see `tuner.surrogate.model.Smooth`."""
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
