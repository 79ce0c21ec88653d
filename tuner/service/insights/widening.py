"""Which range to try next if the best values lie at a bound of the current one."""

from __future__ import annotations

import math
from typing import Any

from tuner.documents.document import JsonObject
from tuner.space.parameter import Parameter
from tuner.space.value import MAX_INT

#: Number of digits to which bounds are rounded.
_DIGITS = 2
_MOST_FLOAT = 1e300
_TINY = 1e-12


def next_range(parameter: Parameter, value: Any) -> JsonObject | None:
    """Return a range of the same width around a value at a bound of the current one.

    Args:
        parameter: a number or an ordinal.

    Returns:
        `low`, `high` and `log`; None for an ordinal: only its author knows what lies beyond its
        list.
    """
    if parameter.kind not in ("float", "int") or not isinstance(value, int | float):
        return None
    low, high = parameter.bounds
    if parameter.log is True:
        half = math.sqrt(high / low)
        ends = (value / half, value * half)
    else:
        half = (high - low) / 2
        ends = (_apart(value, half), _apart(value, -half))
        # Below 0 most numbers are meaningless, unless the range already included negative ones.
        ends = (max(ends[0], 0.0) if low >= 0 else ends[0], ends[1])
    if parameter.kind == "int":
        least = 1 if low >= 1 else -MAX_INT
        lowest = max(math.floor(_round(ends[0])), least)
        highest = min(max(math.ceil(_round(ends[1])), lowest + 1), MAX_INT)
        return {"low": lowest, "high": highest, "log": parameter.log is True}
    first, last = (max(min(_round(at), _MOST_FLOAT), -_MOST_FLOAT) for at in ends)
    return {"low": first, "high": last, "log": parameter.log is True} if first < last else None


def _apart(value: float, by: float) -> float:
    """Return the difference; a rounding error of the subtraction becomes 0."""
    apart = value - by
    return apart if abs(apart) > _TINY * abs(by) else 0.0


def _round(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
