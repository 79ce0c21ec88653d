"""Trust in history: how warm and cold models are weighted, by leave-one-out likelihood.

Each observation is predicted by both sides from all others. omega is the Bayesian probability of
the warm one, with the log ratio of each observation limited, so that no single one decides. A
mixture can lose to the better side no more than log(1 / omega at the start).

The warm model can also be right because it has learned to ignore history. Hence trust is omega
times the share of its predictions that comes from history, and 0 while it predicts nothing. Trust
alone is its weight: the rest belongs to models without history, as many as a study without history
has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.surrogate.columns import Columns, Floats
from tuner.surrogate.gaussian.gp import GaussianProcess, fit_gps
from tuner.surrogate.history.prior import Prior
from tuner.surrogate.model import Model
from tuner.surrogate.transfer import TransferModel, fit_transfer

#: Omega before any observation.
START = 0.98
#: Minimum number of observations for a model without history.
_LEAST_COLD = 2
#: Maximum log ratio that one observation can contribute for either model.
_LIMIT = 3.0
#: Minimum number of observations to judge whether anything is predicted.
_LEAST_FORESEEN = 3
#: Maximum number of models without history in addition to the warm one.
_BESIDE = 2
#: Trust stays at least this far from 0 and 1.
_EDGE = 1e-6
#: With less trust, or if less than this of history's mean holds, history is not a guide.
_RELIED_ON, _HOLDS = 0.4, 0.3


@dataclass(frozen=True, eq=False)
class TrustGate:
    """Models of the same observations; `trust` is the weight of the warm one, from 0 to 1.

    `cold` are those without history, with logarithms of their weights, the most probable one first;
    empty while there are too few observations for them: trust then has its initial value.
    """

    trust: float
    warm: TransferModel
    cold: Sequence[tuple[float, GaussianProcess]]

    @property
    def is_misled(self) -> bool:
        """Whether history is not a guide so far: hardly trusted, or right only if reversed."""
        return bool(self.cold) and (self.trust < _RELIED_ON or self.warm.agreement < _HOLDS)

    @property
    def arms(self) -> list[tuple[float, Model]]:
        """Log weight and model of each, in the form for acquisitions; the weights add up to 1.

        Of the models without history the first ones stand for all, because each takes time.
        """
        if not self.cold:
            return [(0.0, self.warm)]
        cold = self.cold[:_BESIDE]
        weights = np.array([weight for weight, _ in cold])
        weights += np.log1p(-self.trust) - np.log(np.exp(weights).sum())
        return [
            (float(np.log(self.trust)), self.warm),
            *((float(w), model) for w, (_, model) in zip(weights, cold, strict=True)),
        ]


def weigh_history(
    prior: Prior,
    columns: Columns,
    x: Floats,
    z: Floats,
    *,
    counts: Floats | None = None,
    extra: Floats | None = None,
    members: int = 1,
) -> TrustGate:
    """Return the models of a target's observations, and the trust in the warm one.

    Args:
        prior: from history, with the same columns.
        x: points, shape (n, d), n at least 1.
        z: values of about mean 0 and deviation 1, smaller is better, shape (n,).
        counts: number of repeats that each value is the mean of, shape (n,); default 1.
        extra: variance of a value in addition to the noise, shape (n,); default 0.
        members: maximum number of models without history.

    Returns:
        The models and the trust; a pure function of the arguments.
    """
    warm = fit_transfer(prior, x, z, counts=counts, extra=extra)
    if len(z) < _LEAST_COLD:
        return TrustGate(trust=START, warm=warm, cold=())
    cold = fit_gps(columns, x, z, counts=counts, extra=extra, members=members)
    ratio = np.clip(_log_density(warm, z) - _log_density(cold[0][1], z), -_LIMIT, _LIMIT)
    odds = np.log(START / (1.0 - START)) + float(ratio.sum())
    omega = 1.0 / (1.0 + np.exp(-np.clip(odds, -50.0, 50.0)))
    trust = omega * warm.reliance if _foresees(warm, z) else 0.0
    return TrustGate(trust=float(np.clip(trust, _EDGE, 1.0 - _EDGE)), warm=warm, cold=cold)


def _foresees(warm: TransferModel, z: Floats) -> bool:
    """Return whether the warm model predicts observations better than the mean of the others does.

    In a space that is at chance level nearly everywhere, no model predicts anything for long, and
    nothing speaks for history or against it. Few observations cannot show that.
    """
    n = len(z)
    if n < _LEAST_FORESEEN:
        return True
    error = float(np.sum((z - warm.loo()[0]) ** 2))
    # The mean of the others is n / (n - 1) times as far from an observation as the mean of all.
    return error < float(np.sum((z - z.mean()) ** 2)) * (n / (n - 1)) ** 2


def _log_density(model: Model, z: Floats) -> Floats:
    """Return the log density of each observation, predicted from the others, shape (n,)."""
    mean, variance = model.loo()
    return -0.5 * (np.log(2.0 * np.pi * variance) + (z - mean) ** 2 / variance)
