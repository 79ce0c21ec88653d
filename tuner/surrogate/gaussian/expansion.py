"""Functions that are sums of kernels around fixed points: values and derivatives anywhere.

f(x) = Matern(x, points) W, with one column of W for each function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from scipy.linalg import cho_factor, cho_solve

from tuner.surrogate.columns import Columns, Floats
from tuner.surrogate.gaussian import kernel

#: Allowed variance between the functions and their expansion, relative to theirs: keeps W small.
_SLACK = 1e-4

Pull = Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class Expansion:
    """`lengths` are inverse squared lengthscales (d,); `points` (i, d); `weights` W (i, k)."""

    columns: Columns
    lengths: Floats
    points: Floats
    weights: Floats

    @classmethod
    def through(
        cls, columns: Columns, lengths: Floats, points: Floats, values: Floats
    ) -> Expansion:
        """Return the expansion around points with approximately the given values (i, k) there."""
        scaled = kernel.scaled(columns, points, lengths)
        matrix = kernel.matern_between(scaled, scaled)
        matrix.flat[:: len(points) + 1] += _SLACK
        weights = cho_solve(cho_factor(matrix, lower=True), values)
        return cls(columns=columns, lengths=lengths, points=points, weights=weights)

    def __call__(self, x: Floats) -> Floats:
        """Return the functions at points (m, d), shape (m, k)."""
        return kernel.matern_between(self._place(x), self._scaled) @ self.weights

    def with_pull(self, x: Floats) -> tuple[Floats, Pull]:
        """Return the functions at points, and a function for derivatives of sums of them.

        Returns:
            Values (m, k), and a function that takes factors (m, k) and returns, for each point, the
            derivative by x of the sum of its factors times the functions there: (m, d).
        """
        near = kernel.squares_between(self._place(x), self._scaled)
        correlation, slope = kernel.matern_with_slope(near)

        def pull(factors: Floats) -> Floats:
            pulls = slope * (factors @ self.weights.T)
            return kernel.pull_squares(self.columns, self.lengths, x, self.points, pulls)

        return correlation @ self.weights, pull

    @cached_property
    def _scaled(self) -> Floats:
        return self._place(self.points)

    def _place(self, x: Floats) -> Floats:
        return kernel.scaled(self.columns, x, self.lengths)
