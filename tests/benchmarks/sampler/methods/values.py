"""Values as peers have them that know neither ordinals nor choices of every type."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuner.space import Parameter, Value


def from_plain(item: Parameter, value: Any) -> Value:
    """Return the value that a peer means.

    Args:
        item: the parameter.
        value: of an ordinal the number of its value, of another choice its text, else a number:
            rounding of logarithms may have taken it out of the range by the last digit.
    """
    if item.kind == "ordinal":
        return item.values[int(value)]
    if item.values:
        return next(allowed for allowed in item.values if str(allowed) == str(value))
    low, high = item.bounds
    inside = np.clip(float(value), low, high)
    return round(inside) if item.kind == "int" else float(inside)
