"""Symmetric matrices as vectors: each pair of rows once, in the order that LAPACK factors.

| name    | meaning                                                                     |
|---------|-----------------------------------------------------------------------------|
| n, m    | size of a matrix; m = n (n + 1) / 2 entries of its half                     |
| half    | (m,) the lower half of a symmetric matrix, diagonal included                |
| K, a, L | a covariance, K⁻¹ z for given values z, the Cholesky factor of K            |

Everything that depends on pairs of points is computed once for each pair, stored without gaps, and
passed to LAPACK and back unchanged.

Source of the order: Gustavson et al. (2010), "Rectangular full packed format for Cholesky's
algorithm".
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from tuner.surrogate.columns import Columns, Floats, Numbers

#: Number of cached layouts: a fit uses two sizes, and a larger one takes a megabyte.
_KEPT = 4


@dataclass(frozen=True, eq=False)
class Layout:
    """The positions of the entries of a half: `later` and `earlier` row of each, (m,); `own` (n,).

    `own` are the positions of the diagonal, in the order of the rows. Made by `packed_layout`.
    """

    later: Numbers
    earlier: Numbers
    own: Numbers

    def squares(self, columns: Columns, x: Floats) -> Floats:
        """Return the squared distances of points (n, d), column by column, shape (d, m)."""
        filled = np.ascontiguousarray(columns.fill(x).T)
        squares = filled.take(self.later, axis=1)
        squares -= filled.take(self.earlier, axis=1)
        squares *= squares
        squares[columns.is_choice] = squares[columns.is_choice] > 0
        return squares

    def products(self, left: Floats, right: Floats) -> Floats:
        """Return the half of left right', for vectors (n,): one entry for each pair, shape (m,)."""
        return left.take(self.later) * right.take(self.earlier)

    def half(self, matrix: Floats) -> Floats:
        """Return the half of a symmetric matrix (n, n)."""
        return np.asarray(matrix[self.later, self.earlier])

    def evidence(self, covariance: Floats, z: Floats) -> tuple[float, Floats, Floats] | None:
        """Return how badly a covariance explains values, a, and the derivative by the half of K.

        Args:
            covariance: the half of K; overwritten.
            z: values of mean 0, shape (n,).

        Returns:
            z' K⁻¹ z / 2 + log |K| / 2; a, shape (n,); and for each entry of the half the derivative
            of the first by it (off the diagonal, by both positions), shape (m,). None if K is not
            positive definite within the precision.

        Source: Rasmussen & Williams (2006), eq. 5.8 and 5.9.
        """
        n = len(z)
        factor, failed = lapack.dpftrf(n, covariance, uplo="L", overwrite_a=True)
        if failed:
            return None
        solved, _ = lapack.dpftrs(n, factor, z[:, None], uplo="L")
        weights: Floats = solved[:, 0]
        value = 0.5 * float(z @ weights) + float(np.log(factor.take(self.own)).sum())
        pull, _ = lapack.dpftri(n, factor, uplo="L", overwrite_a=True)
        pull -= self.products(weights, weights)
        pull[self.own] *= 0.5
        return value, weights, pull

    def full(self, half: Floats) -> Floats:
        """Return the matrices (..., n, n) whose halves are given, shape (..., m)."""
        n = len(self.own)
        return half.take(self._places, axis=-1).reshape(*half.shape[:-1], n, n)

    @functools.cached_property
    def _places(self) -> Numbers:
        """The position of each entry of a matrix in its half, shape (n * n,)."""
        n = len(self.own)
        places = np.empty((n, n), dtype=np.intp)
        places[self.later, self.earlier] = np.arange(len(self.later))
        places[self.earlier, self.later] = np.arange(len(self.later))
        return places.ravel()

    def information(self, covariance: Floats, slopes: Floats) -> Floats:
        """Return Fisher's information on the parameters of a covariance, shape (p, p).

        Args:
            covariance: the half of K.
            slopes: the halves of its derivatives by the parameters, shape (p, m).

        Returns:
            tr(K⁻¹ dK_i K⁻¹ dK_j) / 2; 0 if K cannot be factored.
        """
        n = len(self.own)
        factor, failed = lapack.dpftrf(n, covariance, uplo="L")
        if failed:
            return np.zeros((len(slopes), len(slopes)))
        inverse, _ = lapack.dpftri(n, factor, uplo="L", overwrite_a=True)
        parts = self.full(inverse) @ self.full(slopes)
        across = parts.transpose(0, 2, 1).reshape(len(slopes), -1)
        return 0.5 * (parts.reshape(len(slopes), -1) @ across.T)


@functools.lru_cache(maxsize=_KEPT)
def packed_layout(n: int) -> Layout:
    """Return the layout of the halves of (n, n) matrices."""
    number = np.arange(n, dtype=np.float64)
    later, _ = lapack.dtrttf(np.broadcast_to(number[:, None], (n, n)), uplo="L")
    earlier, _ = lapack.dtrttf(np.broadcast_to(number[None, :], (n, n)), uplo="L")
    later, earlier = later.astype(np.intp), earlier.astype(np.intp)
    own = np.flatnonzero(later == earlier)
    return Layout(later, earlier, own[np.argsort(later[own])])
