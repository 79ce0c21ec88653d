"""Minimizes the negative logarithm of a posterior with few parameters.

A quasi-Newton method (BFGS) that starts with the expected curvature, and requests it again now and
then: far from the minimum, the curvature of a likelihood differs from that near it by powers of
ten. A value costs more than everything else here, and its gradient comes with it.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from tuner.surrogate.columns import Floats

#: Maximum step, in standard deviations of the prior.
_FARTHEST = 3.0
#: The curvature is requested again at a point further than this from the previous request, in
#: standard deviations of the prior.
_NEAR = 2.0
#: Share of the gain promised by the slope that a step must reach (Armijo's rule).
_SHARE = 1e-4
#: Bounds for shortening the next try of a step, and the maximum number of tries.
_SHORTER = (0.1, 0.5)
_TRIES = 8

#: A share of a step, the value after it, and the gradient there.
_Found = tuple[Floats, float, Floats]


class Slope(Protocol):
    """A function of p parameters to minimize."""

    #: Standard deviations of the prior, shape (p,).
    spread: Floats

    def __call__(self, place: Floats, /) -> tuple[float, Floats]:
        """Return the value at a place (p,), and the gradient there, shape (p,)."""

    def curvature(self, place: Floats, /) -> Floats:
        """Return an approximation of the second derivatives, positive definite, shape (p, p)."""


def descend(slope: Slope, place: Floats, *, steps: int, tolerance: float) -> tuple[float, Floats]:
    """Return the minimum that is found, and its place.

    Args:
        slope: the function to minimize.
        place: where to start, shape (p,).
        steps: maximum number of steps.
        tolerance: a step with less expected gain than this is not taken.

    Source: Nocedal & Wright (2006), algorithm 6.1, and chapter 3.5 for the tries of a step.
    """
    value, gradient = slope(place)
    bend, asked = _inverse(slope.curvature(place)), place
    for _ in range(steps):
        if float(np.max(np.abs(place - asked) / slope.spread)) > _NEAR:
            bend, asked = _inverse(slope.curvature(place)), place
        step = -(bend @ gradient)
        if float(gradient @ step) > -2.0 * tolerance:
            break
        step *= min(1.0, _FARTHEST / float(np.max(np.abs(step) / slope.spread)))
        found = _shortened(slope, place, value, step, float(gradient @ step))
        if found is None:
            break
        taken, new_value, new_gradient = found
        bend = _bent(bend, taken, new_gradient - gradient)
        has_arrived = value - new_value < tolerance and taken is step
        place, value, gradient = place + taken, new_value, new_gradient
        if has_arrived:
            break
    return value, place


def _shortened(
    slope: Slope, place: Floats, value: float, step: Floats, promised: float
) -> _Found | None:
    """Return the longest tried share of a step that gains enough; None if none does."""
    share, tried = 1.0, step
    for _ in range(_TRIES):
        new_value, gradient = slope(place + tried)
        excess = new_value - value - share * promised
        if excess <= (_SHARE - 1.0) * share * promised:
            return tried, new_value, gradient
        # The minimum of the parabola through what is known.
        best = -0.5 * share * promised / excess
        share *= min(max(best, _SHORTER[0]), _SHORTER[1])
        tried = share * step
    return None


def _inverse(matrix: Floats) -> Floats:
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def _bent(bend: Floats, step: Floats, change: Floats) -> Floats:
    """Return the inverse curvature after a step that changed the gradient (eq. 6.17)."""
    product = float(step @ change)
    if product <= 1e-10 * float(np.sqrt((step @ step) * (change @ change))):
        # Negative curvature here: nothing to learn from.
        return bend
    bent = bend @ change
    cross = np.outer(bent, step)
    cross += cross.T
    weight = 1.0 + float(change @ bent) / product
    return bend + (weight * np.outer(step, step) - cross) / product
