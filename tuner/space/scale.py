"""The scale on which the values of a number lie evenly: linear, by factors, or by factors reversed.

`log: true` lays out log(value), `log: reverse` -log(low + high - value): there the values near the
upper end are the ones that are told apart (a momentum from 0.9 to 0.999). Both grow with the value.
The second is KerasTuner's `reverse_log`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tuner.space.parameter import Log, Parameter
from tuner.surrogate.columns import Floats

WORDS: dict[Log, str] = {False: "linear", True: "log", "reverse": "reversed log"}


def has_place(parameter: Parameter, number: float) -> bool:
    """Whether a finite number, inside or outside of the range, lies on the scale at all."""
    if parameter.log == "reverse":
        low, high = parameter.bounds
        return number < low + high
    return not parameter.log or number > 0


def scaled(parameter: Parameter, number: float) -> float:
    """Return a number of the scale.

    Raises:
        ValueError: it has no place there.
    """
    if parameter.log == "reverse":
        low, high = parameter.bounds
        return -math.log(low + high - number)
    return math.log(number) if parameter.log else float(number)


def all_scaled(parameter: Parameter, numbers: Floats) -> Floats:
    """Return numbers of the scale, shape as given; NaN for those that have no place there."""
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
