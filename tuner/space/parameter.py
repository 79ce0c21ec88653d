"""One dimension of a search space: its kind, its range, and when it is active."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

from tuner.space.value import Choices, Value, find, is_number, is_whole, show, show_all

ParameterKind = Literal["float", "int", "categorical", "ordinal", "bool", "fixed"]
#: How a number's values are spaced; see `tuner.space.scale`.
Log = bool | Literal["reverse"]
KINDS: tuple[ParameterKind, ...] = ("float", "int", "categorical", "ordinal", "bool", "fixed")

#: Maximum distance of a number from a step of its range, in steps (Optuna has the same bound).
_STEP_TOLERANCE = 1e-8


@dataclass(frozen=True, kw_only=True)
class Condition:
    """The parameter is active only when `parent` is active and has one of `values`."""

    parent: str
    values: tuple[Value, ...]

    def holds(self, params: Mapping[str, Value]) -> bool:
        """Whether `params` satisfies the condition; an absent parent does not."""
        return self.parent in params and self.choices.find(params[self.parent]) is not None

    @cached_property
    def choices(self) -> Choices:
        """The values, for lookup."""
        return Choices(self.values)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One dimension. `tuner.space.definition` creates checked ones from a user's definition.

    float and int use `low`, `high` (both inclusive), `step` and `log`; categorical, ordinal and
    bool use `values`; fixed uses `value`. `high` is the last value that a step reaches.
    `tuner.space.scale` explains `log`.
    """

    name: str
    kind: ParameterKind
    low: int | float | None = None
    high: int | float | None = None
    step: int | float | None = None
    log: Log = False
    values: tuple[Value, ...] = ()
    value: Value | None = None
    when: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        """Convert the numbers to the type of the kind."""
        if self.kind == "bool":
            object.__setattr__(self, "values", (False, True))
        if self.kind in ("float", "int"):
            number = float if self.kind == "float" else int
            for name in ("low", "high", "step"):
                given = getattr(self, name)
                object.__setattr__(self, name, None if given is None else number(given))
            if self.step is not None:
                object.__setattr__(self, "high", number(self._at(self._steps())))

    @cached_property
    def _choices(self) -> Choices:
        return Choices(self.values)

    @property
    def bounds(self) -> tuple[int | float, int | float]:
        """Low and high of a float or int parameter."""
        if self.low is None or self.high is None:
            raise ValueError(f"{self.name}: a {self.kind} parameter has no bounds")
        return self.low, self.high

    @property
    def size(self) -> int | None:
        """The number of values; None if they cannot be counted."""
        if self.kind == "fixed":
            return 1
        if self.values:
            return len(self.values)
        if self.kind == "float" and self.step is None:
            return None
        return self._steps() + 1

    @property
    def allowed(self) -> str:
        """What a value has to be, in words."""
        if self.kind == "fixed":
            return f"only {show(self.value)}: the parameter is fixed"
        if self.values:
            return f"one of {show_all(self.values)}"
        low, high = self.bounds
        step = "" if self.step in (None, 1) else f" in steps of {show(self.step)}"
        noun = "number" if self.kind == "float" else "whole number"
        return f"a {noun} from {show(low)} to {show(high)}{step}"

    def at(self, index: int) -> Value:
        """Return the value with the given index of a countable parameter, counting from 0.

        Raises:
            IndexError: there are fewer values.
        """
        size = self.size
        if size is None or not 0 <= index < size:
            raise IndexError(f"{self.name}: no value number {index}")
        if self.kind == "fixed":
            return self._fixed()
        return self.values[index] if self.values else self._at(index)

    def find(self, value: Any) -> Value | None:
        """Return `value` in its canonical form (1.0 → 1 for an int), None if it is not allowed."""
        if self.kind == "fixed":
            return find(value, (self._fixed(),))
        if self.values:
            return self._choices.find(value)
        if not is_number(value) or (self.kind == "int" and not is_whole(value)):
            return None
        return self._find_number(value)

    def canonical(self, value: Any) -> Value:
        """Return `find(value)`.

        Raises:
            ValueError: the value is not allowed here.
        """
        found = self.find(value)
        if found is None:
            raise ValueError(f"{self.name}: {show(value)}: {self.allowed}")
        return found

    def _fixed(self) -> Value:
        if self.value is None:
            raise ValueError(f"{self.name}: a fixed parameter needs a value")
        return self.value

    def _find_number(self, value: int | float) -> int | float | None:
        low, high = self.bounds
        if self.step is None:
            if not low <= value <= high:
                return None
            return float(value) if self.kind == "float" else int(value)
        index = (value - low) / self.step
        if abs(index - round(index)) > _STEP_TOLERANCE or not 0 <= round(index) <= self._steps():
            return None
        return self._at(round(index))

    def _steps(self) -> int:
        """Return how many steps lie between low and high."""
        low, high = self.bounds
        if self.step is None:
            return math.floor(high) - math.ceil(low)
        # In decimals: 0.3 / 0.1 is 2.9999999999999996 in binary and would lose the last step. The
        # tolerance keeps the last step if `high` was rounded to a float.
        width = Decimal(str(high)) - Decimal(str(low))
        return math.floor(width / Decimal(str(self.step)) + Decimal(str(_STEP_TOLERANCE)))

    def _at(self, index: int) -> int | float:
        low, _ = self.bounds
        step = 1 if self.step is None else self.step
        if self.kind == "int":
            return int(low) + index * int(step)
        return float(Decimal(str(low)) + index * Decimal(str(step)))
