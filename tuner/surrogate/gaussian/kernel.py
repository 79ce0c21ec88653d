"""The covariance of an objective at two points: Matérn 5/2 with one lengthscale per column.

Notation: w = inverse squared lengthscales (d,); r² = sum of w times the squared distances of the
columns, where two different choices have distance 1; s = variance of the objective.
"""

from __future__ import annotations

import numpy as np

from tuner.surrogate.columns import Columns, Floats

_ROOT5 = float(np.sqrt(5.0))
#: Number of pairs of points processed at a time: a quarter of a megabyte.
_BLOCK = 32_768


def matern(squares: Floats) -> Floats:
    """Return the correlation for squared scaled distances r², in the same shape.

    Source: Rasmussen & Williams (2006), eq. 4.17.
    """
    # In place: most of the time of a proposal is spent here.
    root = np.sqrt(squares)
    root *= -_ROOT5
    found = (5.0 / 3.0) * squares
    found -= root
    found += 1.0
    found *= np.exp(root, out=root)
    return found


def matern_between(left: Floats, right: Floats) -> Floats:
    """Return the correlation for scaled features, shape (len(left), len(right))."""
    found = np.empty((len(left), len(right)))
    rows = max(_BLOCK // max(len(right), 1), 1)
    for start in range(0, len(left), rows):
        block = slice(start, start + rows)
        # Blocks that fit into the processor's cache.
        found[block] = matern(squares_between(left[block], right))
    return found


def matern_with_slope(squares: Floats) -> tuple[Floats, Floats]:
    """Return the correlation and its derivative by r²."""
    root = np.sqrt(squares)
    root *= -_ROOT5
    found = (5.0 / 3.0) * squares
    slope = 1.0 - root
    found += slope
    np.exp(root, out=root)
    found *= root
    root *= -5.0 / 6.0
    slope *= root
    return found, slope


def column_squares(columns: Columns, x: Floats) -> Floats:
    """Return the squared distances between all points, column by column.

    Args:
        x: points, shape (n, d), NaN allowed.

    Returns:
        Shape (n * n, d).
    """
    filled = columns.fill(x)
    squares = (filled[:, None, :] - filled[None, :, :]) ** 2
    squares[:, :, columns.is_choice] = squares[:, :, columns.is_choice] > 0
    return squares.reshape(len(x) ** 2, len(columns))


def scaled(columns: Columns, x: Floats, weights: Floats) -> Floats:
    """Return features of points whose squared distances are r²; `weights` is w, shape (d,)."""
    return columns.features(x) * np.sqrt(weights)[columns.owners]


def squares_between(left: Floats, right: Floats) -> Floats:
    """Return the squared distances of scaled features, shape (len(left), len(right))."""
    squares = (-2.0 * left) @ right.T
    squares += np.einsum("ij,ij->i", left, left)[:, None]
    squares += np.einsum("ij,ij->i", right, right)[None, :]
    # Differences of large sums: a point's distance to itself may become negative.
    return np.maximum(squares, 0.0, out=squares)


def pull_squares(
    columns: Columns, lengths: Floats, x: Floats, points: Floats, factors: Floats
) -> Floats:
    """Return the derivatives of sums of squared scaled distances by their first points.

    Args:
        lengths: inverse squared lengthscales, shape (d,).
        x: first points, shape (m, d).
        points: second points, shape (n, d).
        factors: factors of the squared distances in each sum, shape (m, n).

    Returns:
        Shape (m, d); 0 for choices and for inactive entries.
    """
    here, there = columns.fill(x), columns.fill(points)
    ahead = here * factors.sum(axis=1, keepdims=True) - factors @ there
    still = columns.is_choice | np.isnan(x)
    return np.where(still, 0.0, 2.0 * lengths * ahead)
