"""The warm model: what history expects, how studies differ from it, and the target's own part.

| name     | meaning                                                                      |
|----------|------------------------------------------------------------------------------|
| F        | features of points (n, 1 + r): the mean m of history, and r ways P to differ |
| s        | how much of the target's scale one unit of history is                        |
| p        | size of P's part                                                             |
| t        | deviation of the residual, a Matern 5/2 with a lengthscale for each column   |
| v        | variance of the noise                                                        |

    z ~ N(s m,  s² (b² m m' + p² P P') + t² Matern + A² 11' + v I)

The coefficient of m is normal with mean s and deviation b s: history whose sign is wrong is used in
reverse. With s = 0 this is a model without history.

Source: an empirical mean and covariance over tasks, as in Wang, Kim & Kaelbling (2018), "Regret
bounds for meta Bayesian optimization with an unknown Gaussian process prior", plus a residual.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import lapack
from typing_extensions import override

from tuner.surrogate.columns import Floats
from tuner.surrogate.gaussian import kernel
from tuner.surrogate.gaussian.gp import cholesky, leave_one_out
from tuner.surrogate.history.prior import Prior
from tuner.surrogate.history.sizing import LEAST_NOISE, SHIFT, Sizes, SizingData, find_sizes
from tuner.surrogate.model import Model

#: Minimum variance of a prediction, relative to the residual's.
_LEAST = 1e-10


@dataclass(frozen=True, eq=False)
class TransferModel(Model):
    """A posterior that started as a prior from history. Made by `fit_transfer`."""

    prior: Prior
    data: SizingData
    sizes: Sizes

    @cached_property
    def _features(self) -> Floats:
        return self.prior.features(self.data.x)

    @cached_property
    def _scaled(self) -> Floats:
        return self._place(self.data.x)

    @cached_property
    def _spread(self) -> Floats:
        return self.sizes.spread(self._features.shape[1])

    @cached_property
    def _factor(self) -> Floats:
        covariance = self._cross(self._features, self._scaled)
        noise = self.sizes.noise * self.data.shares + self.data.extra
        covariance.flat[:: len(noise) + 1] += noise
        return cholesky(covariance)

    @cached_property
    def _weights(self) -> Floats:
        expected = self.sizes.slope * self._features[:, 0]
        solved: Floats = lapack.dpotrs(self._factor, self.data.z - expected, lower=True)[0]
        return solved

    @cached_property
    def _coefficients(self) -> Floats:
        """The posterior mean of the features' coefficients, shape (1 + r,)."""
        found: Floats = self._spread * (self._weights @ self._features)
        found[0] += self.sizes.slope
        return found

    @cached_property
    def reliance(self) -> float:
        """The share of the model's predictions over the space that comes from history, from 0 to 1.

        Over the space, not over the observations: those that history led to are about equally good,
        and what distinguishes them is the target's own part, however useful history was.
        """
        points = self.prior.expansion.points
        by_history = float(np.var(self.prior.features(points) @ self._coefficients))
        matern = kernel.matern_between(self._place(points), self._scaled)
        by_itself = float(np.var(self.sizes.residual * (matern @ self._weights)))
        return by_history / max(by_history + by_itself, 1e-300)

    @property
    def agreement(self) -> float:
        """How far history's mean holds here: 1 fully, 0 not at all, below 0 in reverse."""
        return float(self._coefficients[0]) / self.sizes.slope

    @override
    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        f = self.prior.features(x)
        cross = self._cross(f, self._place(x))
        mean = self.sizes.slope * f[:, 0] + cross @ self._weights
        rest, _ = lapack.dtrtrs(self._factor, cross.T, lower=True, overwrite_b=True)
        return mean, self._deviation(self._own(f) - np.einsum("ij,ij->j", rest, rest))

    def slopes(self, x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return mean, standard deviation and derivatives; see `tuner.surrogate.model.Smooth`."""
        f, pull = self.prior.features_and_pull(x)
        near = kernel.squares_between(self._place(x), self._scaled)
        correlation, slope = kernel.matern_with_slope(near)
        shared = f * self._spread
        cross = shared @ self._features.T + self.sizes.residual * correlation + SHIFT**2
        solved = lapack.dpotrs(self._factor, cross.T, lower=True)[0].T
        std = self._deviation(self._own(f) - np.einsum("ij,ij->i", cross, solved))
        mean = self.sizes.slope * f[:, 0] + cross @ self._weights
        # Derivatives by the features, then by the residual's distances.
        on_mean = self._coefficients
        on_half_variance = shared - self._spread * (solved @ self._features)
        mean_slope = pull(np.broadcast_to(on_mean, f.shape))
        variance_slope = pull(on_half_variance)
        mean_slope += self._pull(x, slope * self._weights)
        variance_slope -= self._pull(x, slope * solved)
        return mean, std, mean_slope, variance_slope / std[:, None]

    @override
    def condition(self, x: Floats, z: Floats) -> TransferModel:
        # Assumed values have no noise: another trial at the same place would teach nothing.
        data = SizingData(
            x=np.concatenate([self.data.x, x]),
            z=np.concatenate([self.data.z, z]),
            shares=np.concatenate([self.data.shares, np.zeros(len(x))]),
            extra=np.concatenate([self.data.extra, np.full(len(x), LEAST_NOISE)]),
        )
        return TransferModel(prior=self.prior, data=data, sizes=self.sizes)

    @property
    @override
    def scatter(self) -> float:
        return self.sizes.noise

    @override
    def loo(self) -> tuple[Floats, Floats]:
        return leave_one_out(self._factor, self._weights, self.data.z)

    def _place(self, x: Floats) -> Floats:
        return kernel.scaled(self.prior.columns, x, self.sizes.lengths)

    def _cross(self, f: Floats, scaled: Floats) -> Floats:
        """Return the covariance with the observations, without noise, shape (m, n)."""
        matern = kernel.matern_between(scaled, self._scaled)
        return (f * self._spread) @ self._features.T + self.sizes.residual * matern + SHIFT**2

    def _own(self, f: Floats) -> Floats:
        """Return the prior variance of points, shape (m,)."""
        return (f * f) @ self._spread + self.sizes.residual + SHIFT**2

    def _deviation(self, variance: Floats) -> Floats:
        return np.sqrt(np.maximum(variance, _LEAST * self.sizes.residual))

    def _pull(self, x: Floats, pulls: Floats) -> Floats:
        """Return the sum over observations of `pulls` (m, n) times t² d r² / dx, shape (m, d)."""
        columns = self.prior.columns
        return self.sizes.residual * kernel.pull_squares(
            columns, self.sizes.lengths, x, self.data.x, pulls
        )


def fit_transfer(
    prior: Prior,
    x: Floats,
    z: Floats,
    *,
    counts: Floats | None = None,
    extra: Floats | None = None,
) -> TransferModel:
    """Return the most probable warm model for the target's observations.

    Args:
        prior: with the target's columns.
        x: points, shape (n, d), n at least 1.
        z: values of about mean 0 and deviation 1, smaller is better, shape (n,).
        counts: number of repeats that each value is the mean of, shape (n,); default 1.
        extra: variance of a value in addition to the noise, shape (n,); default 0.

    Returns:
        The model; a pure function of the arguments.
    """
    data = SizingData(
        x=x,
        z=z,
        shares=np.ones(len(z)) if counts is None else 1.0 / counts,
        extra=np.zeros(len(z)) if extra is None else extra,
    )
    return TransferModel(prior=prior, data=data, sizes=find_sizes(prior, data))
