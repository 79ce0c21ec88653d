"""The value of a trial at a point: the logarithm of the expected improvement.

Several models may be combined, each with a weight: the expected improvements are averaged, and
multiplied by probabilities that a point is feasible. Everything stays in logarithms, so that the
search has a gradient to follow where all improvements are 1e-300.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from scipy.special import erfcx, log_ndtr, logsumexp
from typing_extensions import override

from tuner.surrogate.columns import Floats
from tuner.surrogate.model import Model, slopes

#: The logarithm of the square root of 2π.
LOG_ROOT_2PI = 0.5 * float(np.log(2.0 * np.pi))
_ROOT_HALF_PI = float(np.sqrt(0.5 * np.pi))
_ROOT2 = float(np.sqrt(2.0))
#: Below this the closed form loses precision and the series is used.
_FAR = -50.0
#: Penalty on the log probability for each standard deviation that a demand is missed by.
_STEEP = 50.0
#: Models with a log weight below this are left out.
_NEGLIGIBLE = -12.0

Arms = Sequence[tuple[float, Model]]


class Acquisition(Protocol):
    """The function that the search maximizes: smooth in the points."""

    def value(self, x: Floats) -> Floats:
        """Return the values of points (m, d), shape (m,)."""

    def slope(self, x: Floats, moving: Floats) -> tuple[Floats, Floats]:
        """Return values (m,) and derivatives (m, d), 0 where `moving` (m, d) is 0."""


def log_improvement(u: Floats) -> Floats:
    """Return log(phi(u) + u Phi(u)), exact for u from -1e100 to 1e100.

    Source: Ament et al. (2023), "Unexpected improvements to expected improvement", appendix A.
    """
    found = np.empty(u.shape)
    near, far = u > -1.0, u < _FAR
    between = ~(near | far)
    v = u[near]
    density = np.exp(-0.5 * v * v - LOG_ROOT_2PI)
    found[near] = np.log(density + v * np.exp(log_ndtr(v)))
    v = u[between]
    found[between] = -0.5 * v * v - LOG_ROOT_2PI
    found[between] += np.log1p(_ROOT_HALF_PI * v * erfcx(-v / _ROOT2))
    v = u[far]
    found[far] = -0.5 * v * v - LOG_ROOT_2PI - 2.0 * np.log(-v) + np.log1p(-3.0 / (v * v))
    return found


def _log_sum(parts: Floats) -> Floats:
    """Return the log of the sum of exponentials over the first axis of finite `parts` (k, m)."""
    # SciPy's version takes longer than everything else for arrays as small as these.
    most = parts.max(axis=0)
    found: Floats = most + np.log(np.exp(parts - most).sum(axis=0))
    return found


class LogExpectedImprovement(Acquisition):
    """The improvement over the best of the points seen, expected by a mixture of models.

    Args:
        arms: the logarithm of the weight, and the model; weights need not add up to 1.
        seen: points that were observed or assumed, shape (n, d). Each model predicts the best value
            among them itself, because observations are noisy.
        boldness: factor on the standard deviations; above 1 it looks further from what is known.
    """

    def __init__(self, arms: Arms, seen: Floats, boldness: float = 1.0) -> None:
        total = logsumexp([weight for weight, _ in arms])
        kept = [(w - total, model) for w, model in arms if w - total > _NEGLIGIBLE]
        self._weights = np.array([weight for weight, _ in kept])
        self._models = [model for _, model in kept]
        self._boldness = boldness
        self.bests = np.array([model.predict(seen)[0].min() for model in self._models])

    @override
    def value(self, x: Floats) -> Floats:
        parts = []
        for weight, model, best in zip(self._weights, self._models, self.bests, strict=True):
            mean, std = model.predict(x)
            std = std * self._boldness
            parts.append(weight + np.log(std) + log_improvement((best - mean) / std))
        return parts[0] if len(parts) == 1 else _log_sum(np.array(parts))

    @override
    def slope(self, x: Floats, moving: Floats) -> tuple[Floats, Floats]:
        values, gradients = [], []
        for weight, model, best in zip(self._weights, self._models, self.bests, strict=True):
            mean, std, mean_slope, std_slope = slopes(model, x, moving)
            std, std_slope = std * self._boldness, std_slope * self._boldness
            u = (best - mean) / std
            log_h = log_improvement(u)
            values.append(weight + np.log(std) + log_h)
            # d log h = Phi(u) / h(u) du
            rate = np.exp(log_ndtr(u) - log_h)
            gradients.append(
                ((1.0 - rate * u) / std)[:, None] * std_slope - (rate / std)[:, None] * mean_slope
            )
        if len(values) == 1:
            return values[0], gradients[0]
        together = _log_sum(np.array(values))
        shares = np.exp(np.array(values) - together)
        return together, np.einsum("km,kmd->md", shares, np.array(gradients))


class LogFeasibility(Acquisition):
    """The probability that all of several quantities are at most 0.

    Args:
        models: one for each quantity.
        limits: the maximum of each one, on the scale of its model.
        cautions: the power of each probability, at least 1; default 1.
        demands: how many standard deviations each mean should be below its limit. Points that miss
            this are proposed only if nothing else is left. By default there are no demands.
    """

    def __init__(
        self,
        models: Sequence[Model],
        limits: Sequence[float],
        cautions: Sequence[float] | None = None,
        demands: Sequence[float] | None = None,
    ) -> None:
        powers = [1.0] * len(models) if cautions is None else cautions
        least = [-np.inf] * len(models) if demands is None else demands
        self._parts = list(zip(models, limits, powers, least, strict=True))

    @override
    def value(self, x: Floats) -> Floats:
        total = np.zeros(len(x))
        for model, limit, power, least in self._parts:
            mean, std = model.predict(x)
            u = (limit - mean) / std
            total += power * log_ndtr(u) - _STEEP * np.maximum(least - u, 0.0) ** 2
        return total

    @override
    def slope(self, x: Floats, moving: Floats) -> tuple[Floats, Floats]:
        total, gradient = np.zeros(len(x)), np.zeros(x.shape)
        for model, limit, power, least in self._parts:
            mean, std, mean_slope, std_slope = slopes(model, x, moving)
            u = (limit - mean) / std
            log_probability = log_ndtr(u)
            short = np.maximum(least - u, 0.0)
            total += power * log_probability - _STEEP * short**2
            rate = power * np.exp(-0.5 * u * u - LOG_ROOT_2PI - log_probability)
            rate = (rate + 2.0 * _STEEP * short) / std
            gradient -= rate[:, None] * (mean_slope + u[:, None] * std_slope)
        return total, gradient


class Product(Acquisition):
    """The product of several acquisitions: the sum of their logarithms."""

    def __init__(self, parts: Sequence[Acquisition]) -> None:
        self._parts = parts

    @override
    def value(self, x: Floats) -> Floats:
        total = np.zeros(len(x))
        for part in self._parts:
            total += part.value(x)
        return total

    @override
    def slope(self, x: Floats, moving: Floats) -> tuple[Floats, Floats]:
        total, gradient = np.zeros(len(x)), np.zeros(x.shape)
        for part in self._parts:
            value, slope = part.slope(x, moving)
            total += value
            gradient += slope
        return total, gradient
