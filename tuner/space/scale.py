"""The scale on which a number's values are evenly spaced: linear, log, or reversed log.

`log: true` spaces log(value) evenly, `log: reverse` -log(low + high - value), which resolves the
values near the upper end (a momentum from 0.9 to 0.999). Both increase with the value. The second
is KerasTuner's `reverse_log`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tuner.space.parameter import Log, Parameter
from tuner.surrogate.columns import Floats

WORDS: dict[Log, str] = {False: "linear", True: "log", "reverse": "reversed log"}


def has_place(parameter: Parameter, number: float) -> bool:
    """Whether a finite number, inside or outside the range, has a position on the scale."""
    if parameter.log == "reverse":
        low, high = parameter.bounds
        return number < low + high
    return not parameter.log or number > 0


def scaled(parameter: Parameter, number: float) -> float:
    """Return the position of a number on the scale.

    Raises:
        ValueError: it has none.
    """
    if parameter.log == "reverse":
        low, high = parameter.bounds
        return -math.log(low + high - number)
    return math.log(number) if parameter.log else float(number)


def all_scaled(parameter: Parameter, numbers: Floats) -> Floats:
    """Return the positions of numbers on the scale, same shape; NaN for those without one."""
    if not parameter.log:
        return numbers
    low, high = parameter.bounds
    factors = low + high - numbers if parameter.log == "reverse" else numbers
    with np.errstate(invalid="ignore"):
        logs: Floats = np.log(np.where(factors > 0, factors, np.nan))
    return -logs if parameter.log == "reverse" else logs


def unscaled(parameter: Parameter, place: Any) -> Any:
    """Invert `scaled`, for one number or an array."""
    if parameter.log == "reverse":
        low, high = parameter.bounds
        return low + high - np.exp(-place)
    return np.exp(place) if parameter.log else place
