"""What studies have in common, and what is specific to each: one model of several sources.

| name | meaning                                                                            |
|------|------------------------------------------------------------------------------------|
| g    | the function that all sources share                                                |
| h_t  | what source t adds to it                                                           |
| w    | inverse squared lengthscales (d,), the same for g and every h_t                    |
| a, b | variances of g and of each h_t: a / (a + b) is how alike the studies are           |
| v    | variance of the noise of the scores                                                |

    z_ti = g(x_i) + h_t(x_i) + shift_t + noise

A source of few trials borrows from the others; sources that contradict each other leave no g.
w, a, b, v are found by maximum a posteriori on some rows of each source, the posterior uses more.
Source: the hierarchical model of Schwaighofer, Tresp & Yu (2005), "Learning Gaussian process
kernels via hierarchical Bayes", with stationary kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_solve, lapack
from scipy.optimize import minimize

from tuner.surrogate.columns import Columns, Floats
from tuner.surrogate.gaussian import kernel
from tuner.surrogate.gaussian.gp import cholesky
from tuner.surrogate.history.ranking import Scored
from tuner.surrogate.history.rows import SourceRows, gather

#: Maximum number of rows, over all sources, for fitting the hyperparameters and for the posterior.
_FIT_ROWS, _ROWS = 320, 1600
#: Prior variance of the shift of a source: the average level of its points means nothing.
_SHIFT = 4.0
_LEAST_NOISE = 1e-6
_STEPS = 40
#: Priors of log a, log b and log v, and of a log lengthscale in one dimension: centre, deviation.
_CENTRE, _SPREAD = np.log([0.5, 0.5, 0.05]), np.array([1.0, 1.0, 1.5])
_LENGTH = (0.4, 1.0)


class _Posterior:
    """The negative log posterior of (log lengthscales, log a, log b, log v), up to a constant."""

    def __init__(self, columns: Columns, rows: SourceRows) -> None:
        self._rows = rows
        self._squares = kernel.column_squares(columns, rows.x)
        d = len(columns)
        # Grows with the dimension, so that distances stay comparable.
        length = _LENGTH[0] + 0.5 * float(np.log(max(d, 1)))
        self.centre = np.concatenate([np.full(d, length), _CENTRE])
        self._spread = np.concatenate([np.full(d, _LENGTH[1]), _SPREAD])

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        """Return the value and its gradient, shape (d + 3,)."""
        rows, n = self._rows, len(self._rows.z)
        away = (theta - self.centre) / self._spread
        weights = np.exp(-2.0 * theta[:-3])
        common, own, noise = np.exp(theta[-3:])
        squares = (self._squares @ weights).reshape(n, n)
        matern, slope = kernel.matern_with_slope(squares)
        mix = common + own * rows.same
        covariance = mix * matern + _SHIFT * rows.same
        covariance.flat[:: n + 1] += noise + _LEAST_NOISE
        factor, failed = lapack.dpotrf(covariance, lower=True, clean=False)
        if failed:
            return 1e10, away / self._spread
        inverse, _ = lapack.dpotri(factor, lower=True)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        solved = inverse @ rows.z
        value = 0.5 * float(rows.z @ solved) + float(np.log(np.diag(factor)).sum())
        outer = 0.5 * (inverse - np.outer(solved, solved))
        pulled = (outer * mix * slope).ravel() @ self._squares
        outer_matern = outer * matern
        gradient = np.concatenate(
            [
                -2.0 * weights * pulled,
                [common * outer_matern.sum(), own * float(np.vdot(outer_matern, rows.same))],
                [noise * float(np.trace(outer))],
            ]
        )
        return value + 0.5 * float(away @ away), gradient + away / self._spread


@dataclass(frozen=True, eq=False)
class Pooled:
    """The posterior of g and of every h_t. Made by `pool`; `lengths` are w."""

    columns: Columns
    lengths: Floats
    common: float
    own: float
    noise: float
    rows: SourceRows

    @property
    def own_lengths(self) -> Floats:
        """w, with the geometric mean of the others for columns that no source knows, above 0."""
        known = self.lengths > 0
        usual = float(np.exp(np.log(self.lengths[known]).mean())) if known.any() else 1.0
        return np.where(known, self.lengths, usual)

    @property
    def likeness(self) -> float:
        """The share of a study's variance that all studies have in common, from 0 to 1."""
        return self.common / (self.common + self.own)

    @cached_property
    def _weights(self) -> Floats:
        rows = self.rows
        covariance = (self.common + self.own * rows.same) * self._matern(rows.x)
        covariance += _SHIFT * rows.same
        covariance.flat[:: len(rows.z) + 1] += self.noise
        solved: Floats = cho_solve((cholesky(covariance), True), rows.z, check_finite=False)
        return solved

    def means(self, x: Floats) -> tuple[Floats, Floats]:
        """Return the posterior mean of g, (m,), and of g + h_t for each source, (sources, m)."""
        matern = self._matern(x)
        shared = self.common * (matern @ self._weights)
        means = np.empty((self.rows.count, len(x)))
        for task, unknown in enumerate(self.rows.unknown):
            mine = self.rows.task == task
            near = matern[:, mine]
            if unknown.any():
                # A source does not depend on parameters that it did not record.
                near = kernel.matern_between(
                    self._scaled(np.where(unknown, np.nan, x)), self._scaled(self.rows.x[mine])
                )
            means[task] = shared + self.own * (near @ self._weights[mine])
        return shared, means

    def mean_beside(self, scored: Scored, shared: Floats, x: Floats, shared_x: Floats) -> Floats:
        """Return the posterior mean of g + h for a source that is not among the rows, (m,).

        Args:
            shared: g at its points, shape (n,).
            x: points at which to compute the mean, shape (m, d).
            shared_x: g there, shape (m,).
        """
        unknown = np.isnan(scored.x).all(axis=0)
        mine = self._scaled(scored.x)
        covariance = self.own * kernel.matern_between(mine, mine) + _SHIFT
        covariance.flat[:: len(mine) + 1] += self.noise
        weights = cho_solve((cholesky(covariance), True), scored.z - shared, check_finite=False)
        near = kernel.matern_between(self._scaled(np.where(unknown, np.nan, x)), mine)
        own: Floats = self.own * (near @ weights)
        return shared_x + own

    def _matern(self, x: Floats) -> Floats:
        return kernel.matern_between(self._scaled(x), self._scaled(self.rows.x))

    def _scaled(self, x: Floats) -> Floats:
        return kernel.scaled(self.columns, x, self.lengths)


def pool(columns: Columns, sources: Sequence[Scored]) -> Pooled:
    """Return the most probable joint model of the sources; a pure function of the arguments.

    Args:
        sources: at least one, each of at least one point.
    """
    posterior = _Posterior(columns, gather(sources, _FIT_ROWS))
    found = minimize(
        posterior,
        posterior.centre,
        jac=True,
        method="L-BFGS-B",
        bounds=[(c - 8.0, c + 8.0) for c in posterior.centre],
        options={"maxiter": _STEPS, "ftol": 1e-6},
    )
    common, own, noise = np.exp(found.x[-3:])
    rows = gather(sources, _ROWS)
    return Pooled(
        columns=columns,
        lengths=np.where(rows.unknown.all(axis=0), 0.0, np.exp(-2.0 * found.x[:-3])),
        common=float(common),
        own=float(own),
        noise=float(noise) + _LEAST_NOISE,
        rows=rows,
    )
