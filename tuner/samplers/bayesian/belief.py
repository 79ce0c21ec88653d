"""What the models believe of one objective: without history, or history and the trials together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuner.surrogate.acquisition import Arms
from tuner.surrogate.columns import Columns, Floats
from tuner.surrogate.gate import Gate, open_gate
from tuner.surrogate.gp import fit_gps
from tuner.surrogate.prior import Prior

#: How many models without history share the belief at most, and of how many rows all together:
#: few observations leave much open, and each model takes its time.
MEMBERS = 3
ROWS = 80
#: Trust in history below which a young study looks over its space once more.
_RELIED_ON = 0.2


@dataclass(frozen=True, eq=False)
class Belief:
    """Models with logarithms of their weights; `gate` where history is among them."""

    arms: Arms
    gate: Gate | None = None

    def believing(self, pending: Floats) -> Belief:
        """Return the belief when each model is told that trials come out as it predicts.

        Args:
            pending: points, shape (p, d); p may be 0.
        """
        if not len(pending):
            return self
        return Belief(
            [(w, model.condition(pending, model.predict(pending)[0])) for w, model in self.arms],
            self.gate,
        )

    @property
    def is_misled(self) -> bool:
        """Whether history was consulted and is not relied on."""
        return self.gate is not None and self.gate.trust < _RELIED_ON

    def mean(self, x: Floats) -> Floats:
        """Return the mean at points (m, d) of all models together, shape (m,)."""
        weights = np.exp([weight for weight, _ in self.arms])
        means = np.array([model.predict(x)[0] for _, model in self.arms])
        mean: Floats = weights @ means / weights.sum()
        return mean

    def insight(self, x: Floats) -> dict[str, Any]:
        """Return what the models say of a point (d,), as JSON values on the z scale."""
        mean, std = self._moments(x[None])
        found: dict[str, Any] = {"mean": mean, "std": std}
        if self.gate is None:
            return found | {"cold_mean": mean, "cold_std": std}
        found |= dict(
            zip(("warm_mean", "warm_std"), _at(self.gate.warm.predict(x[None])), strict=True)
        )
        if self.gate.cold is not None:
            cold = _at(self.gate.cold.predict(x[None]))
            found |= dict(zip(("cold_mean", "cold_std"), cold, strict=True))
        return found | {"trust": self.gate.trust}

    def _moments(self, x: Floats) -> tuple[float, float]:
        """Return mean and deviation of the mixture at one point (1, d)."""
        weights = np.exp([weight for weight, _ in self.arms])
        weights /= weights.sum()
        means, stds = np.array([_at(model.predict(x)) for _, model in self.arms]).T
        mean = float(weights @ means)
        return mean, float(np.sqrt(weights @ (stds**2 + means**2) - mean**2))


def believe(
    columns: Columns, x: Floats, z: Floats, counts: Floats, extra: Floats, prior: Prior | None
) -> Belief:
    """Return the belief after observations of one objective.

    Args:
        columns: of the points.
        x: points, shape (n, d), n at least 1.
        z: values on the z scale, shape (n,).
        counts: how many trials each value is the mean of, shape (n,).
        extra: variance of each value beyond the noise, shape (n,).
        prior: what history says, if it says anything.
    """
    if prior is not None:
        gate = open_gate(prior, columns, x, z, counts=counts, extra=extra)
        return Belief(gate.arms, gate)
    members = min(MEMBERS, max(ROWS // len(x), 1))
    arms: Sequence[Any] = fit_gps(columns, x, z, counts=counts, extra=extra, members=members)
    return Belief(arms)


def _at(prediction: tuple[Floats, Floats]) -> tuple[float, float]:
    return float(prediction[0][0]), float(prediction[1][0])
