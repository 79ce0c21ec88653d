"""A Gaussian process over one study: fitting, predicting, adding observations.

Notation: x points (n, d); z values (n,); w inverse squared lengthscales; s variance; v variance of
the noise; K = s Matérn(x, x) + OFFSET 11' + diag(v / count + extra); L its Cholesky factor;
a = K⁻¹ z.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import lapack
from typing_extensions import override

from tuner.surrogate.columns import Columns, Floats
from tuner.surrogate.gaussian import kernel
from tuner.surrogate.gaussian.fitting import LEAST_NOISE, OFFSET, Hyper, fit_hypers
from tuner.surrogate.model import Model

#: Minimum variance of a prediction, relative to s.
_LEAST = 1e-10


@dataclass(frozen=True, eq=False)
class GaussianProcess(Model):
    """A posterior. Made by `fit_gp`; hyperparameters never change."""

    columns: Columns
    x: Floats
    z: Floats
    hyper: Hyper
    #: Variance of the noise of each observation, shape (n,).
    noise: Floats

    @cached_property
    def _features(self) -> Floats:
        return kernel.scaled(self.columns, self.x, self.hyper.weights)

    @cached_property
    def _factor(self) -> Floats:
        matrix = self._covariance(self._features, self._features)
        matrix.flat[:: len(self.x) + 1] += self.noise
        return cholesky(matrix)

    @cached_property
    def _weights(self) -> Floats:
        solved: Floats = lapack.dpotrs(self._factor, self.z, lower=True)[0]
        return solved

    @property
    def _most(self) -> float:
        """The variance far away from every observation, including the shift of the mean."""
        return self.hyper.scale + OFFSET

    @override
    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        cross = self._covariance(self._scaled(x), self._features)
        mean = cross @ self._weights
        rest, _ = lapack.dtrtrs(self._factor, cross.T, lower=True, overwrite_b=True)
        return mean, self._deviation(self._most - np.einsum("ij,ij->j", rest, rest))

    def joint(self, x: Floats) -> tuple[Floats, Floats]:
        """Return the joint mean (m,) and covariance (m, m) of the objective at points."""
        features = self._scaled(x)
        cross = self.hyper.scale * kernel.matern_between(features, self._features)
        cross += OFFSET
        own = self.hyper.scale * kernel.matern_between(features, features)
        own += OFFSET
        rest, _ = lapack.dtrtrs(self._factor, cross.T, lower=True)
        return cross @ self._weights, own - rest.T @ rest

    def slopes(self, x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return mean, standard deviation and derivatives; see `tuner.surrogate.model.Smooth`."""
        near = kernel.squares_between(self._scaled(x), self._features)
        correlation, slope = kernel.matern_with_slope(near)
        cross = self.hyper.scale * correlation + OFFSET
        solved = lapack.dpotrs(self._factor, cross.T, lower=True)[0].T
        std = self._deviation(self._most - np.einsum("ij,ij->i", cross, solved))
        mean_slope = self._pull(x, slope * self._weights)
        std_slope = -self._pull(x, slope * solved) / std[:, None]
        return cross @ self._weights, std, mean_slope, std_slope

    @override
    def condition(self, x: Floats, z: Floats) -> GaussianProcess:
        # Assumed values have no noise: another trial at the same place would teach nothing.
        noise = np.full(len(x), LEAST_NOISE)
        return GaussianProcess(
            columns=self.columns,
            x=np.concatenate([self.x, x]),
            z=np.concatenate([self.z, z]),
            hyper=self.hyper,
            noise=np.concatenate([self.noise, noise]),
        )

    @property
    @override
    def scatter(self) -> float:
        return self.hyper.noise

    @override
    def loo(self) -> tuple[Floats, Floats]:
        return leave_one_out(self._factor, self._weights, self.z)

    def _scaled(self, x: Floats) -> Floats:
        return kernel.scaled(self.columns, x, self.hyper.weights)

    def _covariance(self, left: Floats, right: Floats) -> Floats:
        """Return the covariance of the objective for scaled features, (len(left), len(right))."""
        covariance = kernel.matern_between(left, right)
        covariance *= self.hyper.scale
        covariance += OFFSET
        return covariance

    def _deviation(self, variance: Floats) -> Floats:
        return np.sqrt(np.maximum(variance, _LEAST * self.hyper.scale))

    def _pull(self, x: Floats, pulls: Floats) -> Floats:
        """Return the sum over observations of `pulls` (m, n) times d r² / dx, shape (m, d)."""
        return self.hyper.scale * kernel.pull_squares(
            self.columns, self.hyper.weights, x, self.x, pulls
        )


def fit_gp(
    columns: Columns,
    x: Floats,
    z: Floats,
    *,
    counts: Floats | None = None,
    extra: Floats | None = None,
) -> GaussianProcess:
    """Return the most probable Gaussian process for observations.

    Args:
        x: points, shape (n, d), n at least 1.
        z: values of about mean 0 and deviation 1, smaller is better, shape (n,).
        counts: number of repeats that each value is the mean of, shape (n,); default 1.
        extra: variance of a value in addition to the noise, shape (n,); default 0.

    Returns:
        The process; a pure function of the arguments.
    """
    return fit_gps(columns, x, z, counts=counts, extra=extra)[0][1]


def fit_gps(
    columns: Columns,
    x: Floats,
    z: Floats,
    *,
    counts: Floats | None = None,
    extra: Floats | None = None,
    members: int = 1,
) -> list[tuple[float, GaussianProcess]]:
    """Return Gaussian processes with logarithms of their weights, the most probable one first.

    Arguments as for `fit_gp`, and `members`: maximum number of processes.
    """
    shares = np.ones(len(z)) if counts is None else 1.0 / counts
    more = np.zeros(len(z)) if extra is None else extra
    return [
        (
            weight,
            GaussianProcess(
                columns=columns, x=x, z=z, hyper=hyper, noise=hyper.noise * shares + more
            ),
        )
        for weight, hyper in fit_hypers(columns, x, z, shares, more, members)
    ]


def leave_one_out(factor: Floats, weights: Floats, z: Floats) -> tuple[Floats, Floats]:
    """Return mean and variance of each observation, predicted from all others, (n,) and (n,).

    Args:
        factor: lower Cholesky factor of K, shape (n, n).
        weights: K⁻¹ (z - prior mean), shape (n,).
        z: the observations, shape (n,).

    Source: Rasmussen & Williams (2006), eq. 5.12.
    """
    inverse, _ = lapack.dpotri(factor, lower=True)
    variance = 1.0 / np.diag(inverse)
    return z - weights * variance, variance


def cholesky(matrix: Floats) -> Floats:
    """Return the lower factor; the diagonal is increased until the matrix is positive definite."""
    jitter = 0.0
    while True:
        factor, failed = lapack.dpotrf(matrix, lower=True, clean=True)
        if not failed:
            return factor  # type: ignore[no-any-return]
        jitter = max(10.0 * jitter, 1e-10 * float(np.trace(matrix)) / len(matrix))
        matrix = matrix + jitter * np.eye(len(matrix))
