"""The sizes of the warm model's parts, by maximum a posteriori with analytic gradients.

Notation as in `tuner.surrogate.transfer`; theta = (log s, log p, log t, log sqrt v, and for each
column the log of its residual lengthscale), with the normal prior that history gave.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import minimize

from tuner.surrogate import kernel
from tuner.surrogate.columns import Floats
from tuner.surrogate.prior import Prior

#: Deviation of the coefficient of m, in units of s.
SIGN = 1.0
#: Deviation of a constant shift of all values: which values are good, the target alone tells.
SHIFT = 3.0
#: The least variance of the noise.
LEAST_NOISE = 1e-6
_STEPS = 40
#: How far theta may go from its prior's centre.
_REACH = np.array([4.0, 4.0, 4.0, 6.0])
_LENGTH_REACH = 6.0


@dataclass(frozen=True, eq=False)
class Data:
    """Observations: `x` (n, d), `z` (n,), the share of the noise that each has, extra variance."""

    x: Floats
    z: Floats
    shares: Floats
    extra: Floats


@dataclass(frozen=True, eq=False)
class Sizes:
    """What theta stands for: s², p², t², v, and the residual's inverse squared lengthscales."""

    scale: float
    ways: float
    residual: float
    noise: float
    lengths: Floats

    @classmethod
    def of(cls, theta: Floats) -> Sizes:
        """Return the sizes for theta, shape (4 + d,)."""
        scale, ways, residual, noise = (float(value) for value in np.exp(2.0 * theta[:4]))
        return cls(scale, ways, residual, noise + LEAST_NOISE, np.exp(-2.0 * theta[4:]))

    @property
    def slope(self) -> float:
        """The expected coefficient of m."""
        return float(np.sqrt(self.scale))

    def spread(self, count: int) -> Floats:
        """Return the prior variances of the coefficients of `count` features."""
        return self.scale * np.array([SIGN**2, *[self.ways] * (count - 1)])


class Posterior:
    """The negative log posterior of theta, without constants."""

    def __init__(self, prior: Prior, data: Data) -> None:
        f = prior.features(data.x)
        self._mean = f[:, 0]
        self._common = np.outer(self._mean, self._mean) * SIGN**2
        self._ways = f[:, 1:] @ f[:, 1:].T
        self._squares = kernel.column_squares(prior.columns, data.x)
        self._data = data
        self._centre = prior.centre
        self._precision = prior.precision

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        """Return the value and its gradient, shape (4 + d,)."""
        sizes, data, n = Sizes.of(theta), self._data, len(self._data.z)
        away = theta - self._centre
        pull = self._precision @ away
        matern, slope = kernel.matern_with_slope((self._squares @ sizes.lengths).reshape(n, n))
        ways = sizes.scale * sizes.ways * self._ways
        shared = sizes.scale * self._common + ways
        covariance = shared + sizes.residual * matern + SHIFT**2
        covariance.flat[:: n + 1] += sizes.noise * data.shares + data.extra
        factor, failed = lapack.dpotrf(covariance, lower=True, clean=False)
        if failed:
            # Rounding at the edge of what can be factored: a wall that the search turns from.
            return 1e10, pull
        inverse, _ = lapack.dpotri(factor, lower=True)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        expected = sizes.slope * self._mean
        weights = inverse @ (data.z - expected)
        value = 0.5 * float((data.z - expected) @ weights)
        value += float(np.log(np.diag(factor)).sum()) + 0.5 * float(away @ pull)
        outer = 0.5 * (inverse - np.outer(weights, weights))
        gradient = [
            2.0 * np.vdot(outer, shared) - float(weights @ expected),
            2.0 * np.vdot(outer, ways),
            2.0 * sizes.residual * np.vdot(outer, matern),
            2.0 * (sizes.noise - LEAST_NOISE) * float(np.diag(outer) @ data.shares),
        ]
        pulled = (outer * slope).ravel() @ self._squares
        by_length = -2.0 * sizes.residual * sizes.lengths * pulled
        return value, np.concatenate([gradient, by_length]) + pull


def find_sizes(prior: Prior, data: Data) -> Sizes:
    """Return the most probable sizes; a function of the arguments alone."""
    reach = np.concatenate([_REACH, np.full(len(prior.columns), _LENGTH_REACH)])
    found = minimize(
        Posterior(prior, data),
        prior.centre,
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(prior.centre - reach, prior.centre + reach, strict=True)),
        options={"maxiter": _STEPS, "ftol": 1e-6, "gtol": 1e-3},
    )
    return Sizes.of(found.x)
