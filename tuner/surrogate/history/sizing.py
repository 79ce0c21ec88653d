"""The sizes of the warm model's parts, by maximum a posteriori with analytic gradients.

Notation as in `tuner.surrogate.transfer`; theta = (log s, log p, log t, log sqrt v, and for each
column the log of its residual lengthscale), with the normal prior from history.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuner.surrogate.columns import Floats
from tuner.surrogate.gaussian import kernel
from tuner.surrogate.gaussian.descent import descend
from tuner.surrogate.gaussian.packed_symmetric import packed_layout
from tuner.surrogate.history.prior import Prior

#: Standard deviation of the coefficient of m, in units of s.
SIGN = 1.0
#: Standard deviation of a constant shift of all values: only the target shows which values are
#: good.
SHIFT = 3.0
#: Minimum variance of the noise.
LEAST_NOISE = 1e-6
_STEPS = 40
#: A search ends when it would gain less than this in log posterior; the second is for the search
#: with a part of the observations.
_TOLERANCE, _ROUGH = 1e-2, 1e-1
#: Maximum number of observations that are all used from the start.
_MANY = 40


@dataclass(frozen=True, eq=False)
class SizingData:
    """Observations: `x` (n, d), `z` (n,), each one's share of the noise, and extra variance."""

    x: Floats
    z: Floats
    shares: Floats
    extra: Floats


@dataclass(frozen=True, eq=False)
class Sizes:
    """The meaning of theta: s², p², t², v, and the residual's inverse squared lengthscales."""

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


class LengthPosterior:
    """The negative log posterior of theta, up to a constant."""

    def __init__(self, prior: Prior, data: SizingData) -> None:
        f = prior.features(data.x)
        n = len(data.z)
        self._layout = packed_layout(n)
        self._mean = f[:, 0]
        self._common = self._layout.products(self._mean, self._mean) * SIGN**2
        self._ways = self._layout.half(f[:, 1:] @ f[:, 1:].T)
        self._squares = self._layout.squares(prior.columns, data.x)
        self._data = data
        self._prior = prior
        #: The same for some of the observations: it shows where to search, and the curvature.
        self.part = self if n <= _MANY else LengthPosterior(prior, _evenly(data))
        self.spread = np.sqrt(np.diag(np.linalg.inv(prior.precision)))

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        """Return the value and its gradient, shape (4 + d,)."""
        sizes, own = Sizes.of(theta), self._layout.own
        away = theta - self._prior.centre
        to_prior = self._prior.precision @ away
        parts, slope = self._parts(sizes)
        expected = sizes.slope * self._mean
        found = self._layout.evidence(self._covariance(sizes, parts), self._data.z - expected)
        if found is None:
            # Rounding errors at the edge of what can be factored: a wall for the search to turn
            # back from.
            return 1e10, to_prior
        value, weights, pull = found
        gradient = np.empty(len(theta))
        gradient[:3] = 2.0 * (parts @ pull)
        gradient[0] += gradient[1] - float(weights @ expected)
        noise = sizes.noise - LEAST_NOISE
        gradient[3] = 2.0 * noise * float(pull.take(own) @ self._data.shares)
        slope *= pull
        gradient[4:] = -2.0 * sizes.residual * sizes.lengths * (self._squares @ slope)
        return value + 0.5 * float(away @ to_prior), gradient + to_prior

    def curvature(self, theta: Floats) -> Floats:
        """Return the expected second derivatives: Fisher's information and the prior's precision.

        With many observations, the information of some is scaled up; shape (4 + d, 4 + d).
        """
        more = max(len(self._data.z) / _MANY, 1.0)
        return more * self.part.information(theta) + self._prior.precision

    def information(self, theta: Floats) -> Floats:
        """Return Fisher's information of theta, shape (4 + d, 4 + d)."""
        sizes = Sizes.of(theta)
        parts, slope = self._parts(sizes)
        covariance = self._covariance(sizes, parts)
        changes = np.zeros((4 + len(self._squares), len(slope)))
        changes[:3] = parts
        changes[0] += parts[1]
        changes[3, self._layout.own] = (sizes.noise - LEAST_NOISE) * self._data.shares
        np.multiply(self._squares, slope, out=changes[4:])
        changes[4:] *= (-sizes.residual * sizes.lengths)[:, None]
        # The changes are derivatives by the squares of the sizes: those by theta are twice as
        # large.
        return 4.0 * self._layout.information(covariance, changes)

    def _parts(self, sizes: Sizes) -> tuple[Floats, Floats]:
        """Return the halves of m's part, P's and the residual's, (3, m), and Matern's slope."""
        matern, slope = kernel.matern_with_slope(sizes.lengths @ self._squares)
        parts = np.empty((3, len(matern)))
        np.multiply(self._common, sizes.scale, out=parts[0])
        np.multiply(self._ways, sizes.scale * sizes.ways, out=parts[1])
        np.multiply(matern, sizes.residual, out=parts[2])
        return parts, slope

    def _covariance(self, sizes: Sizes, parts: Floats) -> Floats:
        """Return the half of the observations' covariance, (m,)."""
        covariance: Floats = parts.sum(axis=0)
        covariance += SHIFT**2
        covariance[self._layout.own] += sizes.noise * self._data.shares + self._data.extra
        return covariance


def _evenly(data: SizingData) -> SizingData:
    """Return some of the observations, selected evenly in their order."""
    rows = np.linspace(0, len(data.z) - 1, _MANY).astype(np.intp)
    return SizingData(data.x[rows], data.z[rows], data.shares[rows], data.extra[rows])


def find_sizes(prior: Prior, data: SizingData) -> Sizes:
    """Return the most probable sizes; a pure function of the arguments."""
    posterior, theta = LengthPosterior(prior, data), prior.centre
    if posterior.part is not posterior:
        _, theta = descend(posterior.part, theta, steps=_STEPS, tolerance=_ROUGH)
    _, theta = descend(posterior, theta, steps=_STEPS, tolerance=_TOLERANCE)
    return Sizes.of(theta)
