"""The hyperparameters of a Gaussian process, by maximum a posteriori with analytic gradients.

Notation as in `tuner.surrogate.gaussian.gp`; t = (log lengthscales, log s, log v), all with normal
priors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuner.surrogate.columns import Columns, Floats
from tuner.surrogate.gaussian import kernel
from tuner.surrogate.gaussian.descent import descend
from tuner.surrogate.gaussian.packed_symmetric import packed_layout
from tuner.surrogate.gaussian.subset import choose_subset

#: Prior variance of a constant shift of all values: z has mean 0, but the points of a search are
#: better than average.
OFFSET = 1.0
#: Minimum variance of the noise: below it K cannot be factored.
LEAST_NOISE = 1e-6

#: Priors: mean and standard deviation. Lengthscales grow with the square root of the dimension, so
#: that distances stay comparable. Source: Hvarfner et al. (2024), "Vanilla Bayesian optimization
#: performs great in high dimensions".
_LENGTH = (-0.7, 1.0)
_SCALE = (0.0, 0.7)
_NOISE = (-9.0, 2.0)
#: Starting points of the search, as shifts of the log lengthscales: short ones are a separate mode.
_SHIFTS = (0.0, -1.0)
#: Maximum number of observations that are all used from the start, and the number of steps with all
#: of them after that.
_MANY = 40
_POLISH = 10
#: With more distances than this, only the part is used: all would take 100 MB.
_MOST_DISTANCES = 25_000_000
_STEPS = 40
#: A search ends when it would gain less than this in log posterior; the second is for the search
#: with a part of the observations.
_TOLERANCE, _ROUGH = 1e-2, 5e-2
#: Step for derivatives of the gradient, and minimum curvature: that of the prior.
_STEP = 1e-3
_FLATTEST = 0.7


@dataclass(frozen=True, eq=False)
class Hyper:
    """Hyperparameters: `weights` are w (d,), `scale` is s, `noise` is v."""

    weights: Floats
    scale: float
    noise: float


def usual_length(x: Floats) -> float:
    """Return the most probable lengthscale in the space of points (n, d), n at least 1."""
    # In a space with conditions, only columns that are active together count.
    active = max(float(np.mean(np.sum(~np.isnan(x), axis=1))), 1.0)
    return float(np.exp(_LENGTH[0] + 0.5 * np.log(active)))


class Posterior:
    """The negative log posterior of t for given observations, up to a constant.

    `part` is the posterior for some of the observations, used for the curvature.
    """

    def __init__(
        self,
        columns: Columns,
        x: Floats,
        z: Floats,
        shares: Floats,
        extra: Floats,
        part: Posterior | None = None,
    ) -> None:
        self._layout = packed_layout(len(z))
        self._squares = self._layout.squares(columns, x)
        self._z = z
        self._shares = shares
        self._extra = extra
        self._part = part
        d = len(columns)
        self.centre = np.array([np.log(usual_length(x))] * d + [_SCALE[0], _NOISE[0]])
        self.spread = np.array([_LENGTH[1]] * d + [_SCALE[1], _NOISE[1]])

    def hyper(self, t: Floats) -> Hyper:
        """Return the hyperparameters of `t`."""
        return Hyper(
            weights=np.exp(-2.0 * t[:-2]),
            scale=float(np.exp(t[-2])),
            noise=float(np.exp(t[-1])) + LEAST_NOISE,
        )

    def curvature(self, t: Floats) -> Floats:
        """Return the expected second derivatives, scaled up from a part if there is one.

        Source: Fisher's information, plus the priors'; shape (d + 2, d + 2).
        """
        if self._part is not None:
            more = len(self._z) / _MANY
            return np.diag((1.0 - more) * self.spread**-2.0) + more * self._part.curvature(t)
        hyper, own = self.hyper(t), self._layout.own
        covariance, correlation, slope = self._covariance(hyper)
        changes = np.zeros((len(t), len(covariance)))
        np.multiply(self._squares, slope, out=changes[:-2])
        changes[:-2] *= (-2.0 * hyper.scale * hyper.weights)[:, None]
        changes[-2] = hyper.scale * correlation
        changes[-1, own] = float(np.exp(t[-1])) * self._shares
        told = self._layout.information(covariance, changes)
        return np.diag(self.spread**-2.0) + told

    def _covariance(self, hyper: Hyper) -> tuple[Floats, Floats, Floats]:
        """Return the half of K, the correlation without the noise, and its slope, (m,) each."""
        correlation, slope = kernel.matern_with_slope(hyper.weights @ self._squares)
        covariance = hyper.scale * correlation
        covariance += OFFSET
        covariance[self._layout.own] += hyper.noise * self._shares + self._extra
        return covariance, correlation, slope

    def __call__(self, t: Floats) -> tuple[float, Floats]:
        """Return the value and its gradient, shape (d + 2,).

        Source: Rasmussen & Williams (2006), eq. 5.8 and 5.9, plus the normal priors.
        """
        hyper, own = self.hyper(t), self._layout.own
        away = (t - self.centre) / self.spread
        covariance, correlation, slope = self._covariance(hyper)
        found = self._layout.evidence(covariance, self._z)
        if found is None:
            # Rounding errors at the edge of what can be factored: a wall for the search to turn
            # back from.
            return 1e10, away / self.spread
        value, _, pull = found
        gradient = np.empty(len(t))
        gradient[-2] = hyper.scale * float(pull @ correlation)
        gradient[-1] = float(np.exp(t[-1])) * float(pull.take(own) @ self._shares)
        slope *= pull
        gradient[:-2] = -2.0 * hyper.scale * hyper.weights * (self._squares @ slope)
        return value + 0.5 * float(away @ away), gradient + away / self.spread


def fit_hypers(
    columns: Columns, x: Floats, z: Floats, shares: Floats, extra: Floats, members: int = 1
) -> list[tuple[float, Hyper]]:
    """Return hyperparameters that explain the observations, with logarithms of their weights.

    The first are the most probable ones. Few observations leave the lengthscales open; further
    members are drawn from the posterior around its mode, with importance weights, so that a mixture
    of them does not rely on a single explanation.

    Args:
        x: points, shape (n, d).
        z: values, shape (n,).
        shares: each value's share of the noise, shape (n,).
        extra: variance beyond the noise, shape (n,).
        members: maximum number of members to return.

    Returns:
        The members; a pure function of the arguments.
    """
    posterior, value, best = _mode(columns, x, z, shares, extra)
    found = [(0.0, posterior.hyper(best))]
    if members > 1:
        found += _around(posterior, value, best, members - 1)
    return found


def _around(
    posterior: Posterior, value: float, best: Floats, count: int
) -> list[tuple[float, Hyper]]:
    """Return members drawn from a normal distribution with the curvature at the mode."""
    size = len(best)
    curvature = np.empty((size, size))
    for index in range(size):
        step = np.zeros(size)
        step[index] = _STEP
        curvature[index] = (posterior(best + step)[1] - posterior(best - step)[1]) / (2 * _STEP)
    spread, axes = np.linalg.eigh(0.5 * (curvature + curvature.T))
    root = axes / np.sqrt(np.maximum(spread, _FLATTEST))
    drawn = np.random.default_rng(0).normal(size=((count + 1) // 2, size))
    drawn = np.concatenate([drawn, -drawn])[:count]
    found = []
    for normal in drawn:
        t = best + root @ normal
        log_weight = value - posterior(t)[0] + 0.5 * float(normal @ normal)
        found.append((float(np.clip(log_weight, -6.0, 1.0)), posterior.hyper(t)))
    return found


def _mode(
    columns: Columns, x: Floats, z: Floats, shares: Floats, extra: Floats
) -> tuple[Posterior, float, Floats]:
    """Return a posterior, the minimum that is found, and its place.

    With many observations, a part shows where to search, at a fraction of the cost.
    """
    if len(z) <= _MANY:
        posterior = Posterior(columns, x, z, shares, extra)
        return (posterior, *_best_mode(posterior, _TOLERANCE))
    part = choose_subset(columns, x, z, np.arange(len(z)), _MANY)
    few = Posterior(columns, x[part], z[part], shares[part], extra[part])
    value, near = _best_mode(few, _ROUGH)
    if x.size * len(x) > _MOST_DISTANCES:
        return few, value, near
    posterior = Posterior(columns, x, z, shares, extra, part=few)
    return (posterior, *descend(posterior, near, steps=_POLISH, tolerance=_TOLERANCE))


def _best_mode(posterior: Posterior, tolerance: float) -> tuple[float, Floats]:
    modes = [
        descend(posterior, _start(posterior, shift), steps=_STEPS, tolerance=tolerance)
        for shift in _SHIFTS
    ]
    return min(modes, key=lambda mode: mode[0])


def _start(posterior: Posterior, shift: float) -> Floats:
    start = posterior.centre.copy()
    start[:-2] += shift
    return start
