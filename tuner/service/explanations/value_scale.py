"""Converts the models' scale z, where smaller is better, to the unit of a study's metric.

z is a function of the values that were known at the time (`tuner.surrogate.warp`), so a prediction
is converted with the values that its proposal knew.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuner.surrogate.warp import warp


class ValueScale:
    """The scale of a study, given the values known at some time.

    Args:
        values: values of the complete trials, in the metric's unit.
        maximize: whether larger ones are better.
    """

    def __init__(self, values: Sequence[float], *, maximize: bool) -> None:
        known = np.array([value for value in values if np.isfinite(value)], dtype=float)
        z = warp(-known if maximize else known)
        order = np.argsort(z, kind="stable")
        self._z, self._values = z[order], known[order]

    @property
    def is_known(self) -> bool:
        """Whether the values differ, so that z has a unit."""
        return len(self._z) > 1 and bool(self._z[0] < self._z[-1])

    def value(self, z: float | None) -> float | None:
        """Return the value for z; None if it is unknown.

        Beyond the best value, the scale continues linearly as in the good half; beyond the worst
        one, it ends.
        """
        if z is None or not self.is_known:
            return None
        if z >= self._z[0]:
            return float(np.interp(z, self._z, self._values))
        return float(self._values[0] + (z - self._z[0]) * self._slope)

    @property
    def _slope(self) -> float:
        middle = max(int(np.searchsorted(self._z, np.median(self._z), side="right")) - 1, 0)
        while self._z[middle] <= self._z[0] and middle < len(self._z) - 1:
            middle += 1
        z, values = self._z, self._values
        return float((values[middle] - values[0]) / (z[middle] - z[0]))
