"""How likely a configuration is to end within the time limit of a trial."""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_ndtr
from typing_extensions import override

from tuner.samplers.bayesian.stopping.durations import Durations
from tuner.surrogate.columns import Columns, Flags, Floats
from tuner.surrogate.gaussian.gp import GaussianProcess, fit_gp
from tuner.surrogate.gaussian.subset import choose_subset
from tuner.surrogate.model import Model
from tuner.surrogate.search.acquisition import LOG_ROOT_2PI

#: Minimum number of trials that ran to their end before durations are modelled.
_LEAST = 3
#: While every trial takes less than this share of the limit (as a logarithm), durations are not
#: modelled.
_NEAR = float(np.log(0.1))
#: Maximum number of trials in the model: the longest, the newest, and others spread over the space.
_MOST = 200
#: Minimum standard deviation of log durations: differences below a tenth do not matter.
_NARROW = 0.1
#: Minimum scatter of log durations between equal trials, for machines that are shared.
_SCATTER = 0.05
#: A trial that hit the limit although the others predict a duration this many standard deviations
#: below it has hung: its configuration is not the reason.
_HUNG = 4.0


@dataclass(frozen=True, eq=False)
class Timely:
    """A model of durations.

    Attributes:
        model: predicts the logarithm of a trial's seconds, on a scale of its own.
        limit: the logarithm of the time limit, on that scale.
        explained: numbers of the trials that hit the limit as their configurations predict.
    """

    model: Model
    limit: float
    explained: frozenset[int]


def timely(
    columns: Columns, x: Floats, known: Durations, memory: MutableMapping[str, Any] | None = None
) -> Timely | None:
    """Return a model of durations; None while there are too few, or all are far below the limit.

    A trial that hit the limit counts with the duration that the others predict for it, given that
    it exceeds the limit (one step of expectation maximization for a Tobit model).

    Args:
        columns: describes the columns of the points.
        x: points of the trials, shape (n, d).
        known: the n durations of these trials.
        memory: a cache that is valid until the next result arrives; it only saves time.
    """
    if (~known.at_least).sum() < _LEAST or known.shares.max() < _NEAR:
        return None
    if memory is None:
        return _timely(columns, x, known)
    digest = hashlib.sha256(x.tobytes() + known.shares.tobytes() + known.at_least.tobytes())
    key = columns, known.numbers, digest.digest()
    kept: tuple[Any, Timely | None] = memory.get("timely", (None, None))
    if kept[0] != key:
        kept = key, _timely(columns, x, known)
        memory["timely"] = kept
    return kept[1]


def _timely(columns: Columns, x: Floats, known: Durations) -> Timely:
    shares, at_least, numbers = known.shares, known.at_least, np.array(known.numbers)
    if len(x) > _MOST:
        kept = choose_subset(columns, x, -shares, np.arange(len(x)), _MOST)
        x, shares, at_least, numbers = x[kept], shares[kept], at_least[kept], numbers[kept]
    ended = shares[~at_least]
    centre, width = float(ended.mean()), max(float(ended.std()), _NARROW)
    z = (shares - centre) / width
    model = fit_gp(columns, x[~at_least], z[~at_least])
    explained = np.zeros(len(z), dtype=bool)
    if at_least.any():
        mean, std = model.predict(x[at_least])
        std = np.sqrt(std**2 + model.scatter)
        expected, variance, is_hung = _beyond(mean, std, z[at_least])
        explained[at_least] = ~is_hung
        z[at_least], extra = expected, np.zeros(len(z))
        extra[at_least] = variance
        believed = ~at_least | explained
        model = fit_gp(columns, x[believed], z[believed], extra=extra[believed])
    noise = max(model.scatter, (_SCATTER / width) ** 2)
    return Timely(_OfTrials(model, noise), -centre / width, frozenset(map(int, numbers[explained])))


@dataclass(frozen=True, eq=False)
class _OfTrials(Model):
    """A model of what a single trial takes, including its scatter, not of the mean of many."""

    mean: GaussianProcess
    noise: float

    @override
    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        mean, std = self.mean.predict(x)
        return mean, np.sqrt(std**2 + self.noise)

    def slopes(self, x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return mean, standard deviation and derivatives; see `tuner.surrogate.model.Smooth`."""
        mean, std, mean_slope, std_slope = self.mean.slopes(x)
        wider = np.sqrt(std**2 + self.noise)
        return mean, wider, mean_slope, (std / wider)[:, None] * std_slope

    @override
    def condition(self, x: Floats, z: Floats) -> Model:
        return _OfTrials(self.mean.condition(x, z), self.noise)

    @property
    @override
    def scatter(self) -> float:
        return self.noise

    @override
    def loo(self) -> tuple[Floats, Floats]:
        return self.mean.loo()


def _beyond(mean: Floats, std: Floats, least: Floats) -> tuple[Floats, Floats, Flags]:
    """Return mean and variance of normal values above `least`, and which are hardly possible."""
    u = (least - mean) / std
    # Mills' ratio, in logarithms: far in the tail both of its terms are 0.
    rate = np.exp(-0.5 * u * u - LOG_ROOT_2PI - log_ndtr(-u))
    return mean + std * rate, std**2 * np.maximum(1.0 + u * rate - rate**2, 0.0), u > _HUNG
