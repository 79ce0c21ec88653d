"""The mixture of models for one objective: without history, or of history and the trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner.surrogate.columns import Columns, Floats
from tuner.surrogate.gaussian.gp import fit_gps
from tuner.surrogate.history.prior import Prior
from tuner.surrogate.search.acquisition import Arms
from tuner.surrogate.trust import TrustGate, weigh_history

#: Maximum number of models without history in the mixture, and of their rows in total: few
#: observations leave much open, and each model takes time.
MEMBERS = 5
ROWS = 200
#: The factor by which the models underestimate standard deviations at a proposal: they were fitted
#: to what is known, and a proposal is where they promise most.
_OVERSURE = 2.0


@dataclass(frozen=True, eq=False)
class HistoryMixture:
    """Models with the logarithms of their weights; `gate` is set if history is among them."""

    arms: Arms
    gate: TrustGate | None = None

    def believing(self, pending: Floats) -> HistoryMixture:
        """Return the mixture after telling each model that the trials end as it predicts.

        Args:
            pending: points, shape (p, d); p may be 0.
        """
        if not len(pending):
            return self
        return HistoryMixture(
            [(w, model.condition(pending, model.predict(pending)[0])) for w, model in self.arms],
            self.gate,
        )

    def alone(self) -> HistoryMixture:
        """Return the mixture without history; itself if nothing would be left."""
        if self.gate is None or not self.gate.cold:
            return self
        return HistoryMixture(self.gate.cold, self.gate)

    @property
    def is_misled(self) -> bool:
        """Whether history was consulted and is not a guide so far."""
        return self.gate is not None and self.gate.is_misled

    def mean(self, x: Floats) -> Floats:
        """Return the mean of the mixture at points (m, d), shape (m,)."""
        weights = np.exp([weight for weight, _ in self.arms])
        means = np.array([model.predict(x)[0] for _, model in self.arms])
        mean: Floats = weights @ means / weights.sum()
        return mean

    def insight(self, x: Floats) -> dict[str, Any]:
        """Return the predictions for a point (d,), as JSON values on the z scale."""
        mean, std = _moments(self.arms, x[None])
        found: dict[str, Any] = {"mean": mean, "std": std}
        if self.gate is None:
            return found | {"cold_mean": mean, "cold_std": std}
        warm = _moments([(0.0, self.gate.warm)], x[None])
        found |= dict(zip(("warm_mean", "warm_std"), warm, strict=True))
        if self.gate.cold:
            cold = _moments(self.gate.cold, x[None])
            found |= dict(zip(("cold_mean", "cold_std"), cold, strict=True))
        return found | {"trust": self.gate.trust if self._asks_history else None}

    @property
    def _asks_history(self) -> bool:
        return any(model is self.gate.warm for _, model in self.arms) if self.gate else False


def mix_models(
    columns: Columns, x: Floats, z: Floats, counts: Floats, extra: Floats, prior: Prior | None
) -> HistoryMixture:
    """Return the mixture given the observations of one objective.

    Args:
        columns: describes the columns of the points.
        x: points, shape (n, d), n at least 1.
        z: values on the z scale, shape (n,).
        counts: number of trials that each value is the mean of, shape (n,).
        extra: variance of each value in addition to the noise, shape (n,).
        prior: the prior from history, if there is one.
    """
    members = min(MEMBERS, max(ROWS // len(x), 1))
    if prior is not None:
        gate = weigh_history(prior, columns, x, z, counts=counts, extra=extra, members=members)
        return HistoryMixture(gate.arms, gate)
    arms: Sequence[Any] = fit_gps(columns, x, z, counts=counts, extra=extra, members=members)
    return HistoryMixture(arms)


def _moments(arms: Arms, x: Floats) -> tuple[float, float]:
    """Return the predicted mean and standard deviation of a trial's value at one point (1, d).

    The noise is part of the deviation: a value is predicted, not the objective. Measured on seven
    families, with and without history: without the factor, 75 % of the intervals that should hold
    90 % did so, and leave-one-out errors within a study hardly show it.
    """
    weights = np.exp([weight for weight, _ in arms])
    weights /= weights.sum()
    foretold = np.array([(*model.predict(x), [model.scatter]) for _, model in arms])[:, :, 0]
    means, stds, scatter = foretold.T
    stds *= _OVERSURE
    mean = float(weights @ means)
    # Not as the mean of squares minus the square of the mean, which would lose digits.
    return mean, float(np.sqrt(weights @ (stds**2 + scatter + (means - mean) ** 2)))
