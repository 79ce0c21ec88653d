"""One tuned parameter as a column of numbers: values to positions and back."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np

from tuner.space.parameter import Parameter
from tuner.space.scale import all_scaled, has_place, scaled, unscaled
from tuner.space.value import Value, find, is_number, show
from tuner.surrogate.columns import MIDDLE, ColumnKind, Floats

#: Maximum number of values of a grid that is listed in full.
_MOST_LISTED = 4096


class Axis:
    """The scale of one parameter that is not fixed.

    Numbers and ordinals lie from 0 (lowest) to 1 (highest); choices are indices.
    """

    def __init__(self, parameter: Parameter) -> None:
        self.parameter = parameter
        self.kind: ColumnKind = _column_kind(parameter)
        self.size = 0 if self.kind == "real" else parameter.size or 1

    def unit(self, value: Any) -> float:
        """Return the position of any number, even outside the range, or the index of a choice.

        Raises:
            ValueError: the value has no place on the scale.
        """
        if self.parameter.values:
            return self._unit_of_listed(value)
        if not is_number(value) or not has_place(self.parameter, value):
            raise ValueError(f"{self.parameter.name}: {show(value)}: {self.parameter.allowed}")
        low, high = self._ends
        return (self._scaled(float(value)) - low) / (high - low)

    def value(self, position: float) -> Value:
        """Return the value nearest to a position; the middle or first one for NaN."""
        if math.isnan(position):
            position = MIDDLE if self.kind != "choice" else 0.0
        if self.kind == "choice":
            return self.parameter.at(int(np.clip(round(position), 0, self.size - 1)))
        position = float(np.clip(position, 0.0, 1.0))
        if self.parameter.log:
            return self._log_value(position)
        if self.kind == "grid":
            return self.parameter.at(round(position * (self.size - 1)))
        low, high = self._ends
        return float(np.clip(low + position * (high - low), low, high))

    def snap(self, positions: Floats) -> Floats:
        """Return the positions of the nearest values, in the same shape; NaN as in `value`."""
        if self.kind == "choice":
            return np.clip(np.rint(np.nan_to_num(positions, nan=0.0)), 0, self.size - 1)
        inside = np.clip(np.nan_to_num(positions, nan=MIDDLE), 0.0, 1.0)
        if self.kind == "real":
            return inside
        if not self.parameter.log:
            steps = max(self.size - 1, 1)
            return np.rint(inside * (self.size - 1)) / steps
        return self._snap_log(inside)

    def spread(self, uniform: Floats) -> Floats:
        """Return positions for numbers in [0, 1); all values are equally likely on the scale."""
        if self.kind == "real":
            return uniform
        if self.kind == "choice":
            return np.floor(uniform * self.size)
        if not self.parameter.log:
            return np.floor(uniform * self.size) / max(self.size - 1, 1)
        low, high = self.parameter.bounds
        ends = math.log(low - 0.5), math.log(high + 0.5)
        whole = np.clip(np.rint(np.exp(ends[0] + uniform * (ends[1] - ends[0]))), low, high)
        # By the same factors from the upper end if the scale is reversed.
        return self._positions(low + high - whole if self.parameter.log == "reverse" else whole)

    @cached_property
    def listed(self) -> Floats:
        """The positions of a grid or a choice in order; for a long grid, an even selection."""
        if self.kind == "choice":
            return np.arange(self.size, dtype=float)
        if self.size > _MOST_LISTED:
            return np.unique(self.snap(np.linspace(0.0, 1.0, _MOST_LISTED)))
        if not self.parameter.log:
            return np.arange(self.size) / max(self.size - 1, 1)
        return self._positions(np.arange(self.size, dtype=float) + self.parameter.bounds[0])

    @cached_property
    def _ends(self) -> tuple[float, float]:
        low, high = self.parameter.bounds
        return self._scaled(float(low)), self._scaled(float(high))

    def _scaled(self, value: float) -> float:
        return scaled(self.parameter, value)

    def _positions(self, values: Floats) -> Floats:
        low, high = self._ends
        return (all_scaled(self.parameter, values) - low) / (high - low)

    def _log_value(self, position: float) -> Value:
        low, high = self._ends
        value = float(unscaled(self.parameter, low + position * (high - low)))
        least, most = self.parameter.bounds
        if self.kind == "grid":
            return self._nearest_whole(value)
        # exp(log(high)) may exceed high by a rounding error.
        return float(np.clip(value, least, most))

    def _nearest_whole(self, value: float) -> int:
        least, most = self.parameter.bounds
        return int(np.clip(round(value), least, most))

    def _snap_log(self, inside: Floats) -> Floats:
        low, high = self._ends
        least, most = self.parameter.bounds
        numbers = unscaled(self.parameter, low + inside * (high - low))
        return self._positions(np.clip(np.rint(numbers), least, most))

    def _unit_of_listed(self, value: Any) -> float:
        values = self.parameter.values
        match = find(value, values)
        if match is not None:
            index = next(i for i, choice in enumerate(values) if choice is match)
            return float(index) if self.kind == "choice" else index / max(len(values) - 1, 1)
        if self.kind == "grid" and is_number(value) and self._is_rising:
            return self._between(float(value))
        raise ValueError(f"{self.parameter.name}: {show(value)}: {self.parameter.allowed}")

    @cached_property
    def _is_rising(self) -> bool:
        """Whether an ordinal's values are ascending numbers, so that others lie between them."""
        values = self.parameter.values
        if len(values) < 2 or not all(is_number(value) for value in values):
            return False
        steps = np.diff(np.array(values, dtype=float))
        return bool(np.all(steps > 0) or np.all(steps < 0))

    def _between(self, value: float) -> float:
        """Return the position of a number between the values, or extrapolated by the last step."""
        numbers = np.array(self.parameter.values, dtype=float)
        if numbers[0] > numbers[-1]:
            numbers = -numbers
            value = -value
        left = int(np.clip(np.searchsorted(numbers, value) - 1, 0, len(numbers) - 2))
        step = numbers[left + 1] - numbers[left]
        return float((left + (value - numbers[left]) / step) / (len(numbers) - 1))


def _column_kind(parameter: Parameter) -> ColumnKind:
    if parameter.kind == "fixed":
        raise ValueError(f"{parameter.name}: a fixed parameter has no axis")
    if parameter.kind == "ordinal":
        return "grid"
    if parameter.values:
        return "choice"
    return "real" if parameter.size is None else "grid"
