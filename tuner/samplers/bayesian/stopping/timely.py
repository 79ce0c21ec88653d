"""How likely a configuration is to end within the time that a trial may take."""

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

#: Fewer durations that are known to their end are no guide to others.
_LEAST = 3
#: While every trial takes less than this share of the limit, no model of durations is needed.
_NEAR = float(np.log(0.1))
#: So many trials are looked at, at most: the longest, the newest, and others all over the space.
_MOST = 200
#: The least deviation of durations that are compared, as a logarithm: a tenth is no difference.
_NARROW = 0.1
#: Trials alike differ by at least so much, as a logarithm, on machines that others use too.
_SCATTER = 0.05
#: A trial that the others say is so many deviations quicker than the limit has hung: its place is
#: not the reason.
_HUNG = 4.0


@dataclass(frozen=True, eq=False)
class Timely:
    """What durations say of places.

    Attributes:
        model: of the logarithm of a trial's seconds, on a scale of its own.
        limit: the logarithm of the time limit, on that scale.
        explained: numbers of the trials that the limit ended and whose places explain it.
    """

    model: Model
    limit: float
    explained: frozenset[int]


def timely(
    columns: Columns, x: Floats, known: Durations, memory: MutableMapping[str, Any] | None = None
) -> Timely | None:
    """Return what durations say of places; None while they say nothing, or need not.

    A trial that the limit ended counts with what the others expect of its place, given that it
    takes longer than the limit (a step of Tobit's model by expectation and maximisation).

    Args:
        columns: of the points.
        x: points of the trials, shape (n, d).
        known: their durations, n of them.
        memory: what may be kept until another trial is told; only saves time.
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
    """A model of what one trial takes, its scatter included, and not of the mean of many."""

    mean: GaussianProcess
    noise: float

    @override
    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        mean, std = self.mean.predict(x)
        return mean, np.sqrt(std**2 + self.noise)

    def slopes(self, x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return mean, deviation and their derivatives; see `tuner.surrogate.model.Smooth`."""
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
    """Return mean and variance of normal values above `least`, and which of them hardly can be."""
    u = (least - mean) / std
    # Mills' ratio, in logarithms: far in the tail both of its parts are 0.
    rate = np.exp(-0.5 * u * u - LOG_ROOT_2PI - log_ndtr(-u))
    return mean + std * rate, std**2 * np.maximum(1.0 + u * rate - rate**2, 0.0), u > _HUNG
