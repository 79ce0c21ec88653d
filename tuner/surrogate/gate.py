"""Trust in history: how the warm and the cold model share the say, by what each foresaw.

Each observation is predicted by both models from all the others. omega is the probability of the
warm one in Bayes' sense, with the log ratio of each observation limited, so that no single one
decides. A mixture can lose to the better model only what log(1 / omega at the start) costs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuner.surrogate.columns import Columns, Floats
from tuner.surrogate.gp import GaussianProcess, fit_gp
from tuner.surrogate.model import Model
from tuner.surrogate.prior import Prior
from tuner.surrogate.transfer import TransferModel, fit_transfer

#: Omega before anything is observed.
START = 0.98
#: Observations that a model without history needs to say anything.
_LEAST_COLD = 2
#: The most that one observation can speak for either model, in logarithms.
_LIMIT = 3.0
#: Omega stays within this of 0 and 1.
_EDGE = 1e-6


@dataclass(frozen=True, eq=False)
class Gate:
    """Two models of the same observations; `omega` is the probability of the warm one.

    `cold` is None while there are too few observations for it; omega is then that of the start.
    """

    omega: float
    warm: TransferModel
    cold: GaussianProcess | None

    @property
    def trust(self) -> float:
        """How far history is relied on, from 0 to 1.

        The warm model can also be right because it has learnt to do without history. While there
        is nothing to compare it with, this is omega.
        """
        return self.omega if self.cold is None else self.omega * self.warm.reliance

    @property
    def arms(self) -> list[tuple[float, Model]]:
        """Log weight and model of each, as acquisitions take them."""
        if self.cold is None:
            return [(0.0, self.warm)]
        return [(float(np.log(self.omega)), self.warm), (float(np.log1p(-self.omega)), self.cold)]


def open_gate(
    prior: Prior,
    columns: Columns,
    x: Floats,
    z: Floats,
    *,
    counts: Floats | None = None,
    extra: Floats | None = None,
) -> Gate:
    """Return both models of a target's observations, and the trust in the warm one.

    Args:
        prior: from history, of the same columns.
        columns: of the points.
        x: points, shape (n, d), n at least 1.
        z: values of about mean 0 and deviation 1, smaller is better, shape (n,).
        counts: how many repeats each value is the mean of, shape (n,); default 1.
        extra: variance that a value has beyond the noise, shape (n,); default 0.

    Returns:
        A function of the arguments alone.
    """
    warm = fit_transfer(prior, x, z, counts=counts, extra=extra)
    if len(z) < _LEAST_COLD:
        return Gate(omega=START, warm=warm, cold=None)
    cold = fit_gp(columns, x, z, counts=counts, extra=extra)
    ratio = np.clip(_log_density(warm, z) - _log_density(cold, z), -_LIMIT, _LIMIT)
    odds = np.log(START / (1.0 - START)) + float(ratio.sum())
    omega = 1.0 / (1.0 + np.exp(-np.clip(odds, -50.0, 50.0)))
    return Gate(omega=float(np.clip(omega, _EDGE, 1.0 - _EDGE)), warm=warm, cold=cold)


def _log_density(model: Model, z: Floats) -> Floats:
    """Return the log density of each observation, predicted from the others, shape (n,)."""
    mean, variance = model.loo()
    density: Floats = -0.5 * (np.log(2.0 * np.pi * variance) + (z - mean) ** 2 / variance)
    return density
