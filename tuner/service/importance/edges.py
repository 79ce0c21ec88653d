"""Best values that lie at a bound of their range: a wider range may hold better ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.documents.importance import Edge, End
from tuner.space.axis import Axis
from tuner.space.parameter import Parameter
from tuner.surrogate.columns import Flags

#: The best value must be within the first of a bound, in widths of the range, and the values of
#: most of the best trials within the second.
_AT_END, _NEAR_END = 0.01, 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Results:
    """Trials that have a value, and which of them are the best.

    Attributes:
        best: which ones are the best, shape (n,).
        first: index of the best complete one; None: there is none.
    """

    params: Sequence[Mapping[str, Any]]
    best: Flags
    first: int | None


def edges(tuned: Sequence[Parameter], results: Results) -> list[Edge]:
    """Return the parameters whose best value, and most good ones, are at the same bound."""
    if results.first is None:
        return []
    best = results.params[results.first]
    good = [params for params, is_best in zip(results.params, results.best, strict=True) if is_best]
    found: list[Edge] = []
    for parameter in tuned:
        end = _end(Axis(parameter), best, good)
        if end is not None:
            low, high = _ends(parameter)
            value = best[parameter.name]
            found.append(
                {"name": parameter.name, "value": value, "end": end, "low": low, "high": high}
            )
    return found


def position(axis: Axis, params: Mapping[str, Any]) -> float:
    """Return the position of a trial's value on the scale; NaN if the parameter is inactive."""
    value = params.get(axis.parameter.name)
    return math.nan if value is None else axis.unit(value)


def _end(axis: Axis, best: Mapping[str, Any], good: Sequence[Mapping[str, Any]]) -> End | None:
    """Return the bound where the best values of a parameter are; None: at none that could move."""
    at = position(axis, best)
    if axis.kind == "choice" or axis.size == 1 or not min(at, 1.0 - at) <= _AT_END:
        return None
    end: End = "low" if at < 0.5 else "high"
    if _is_natural(axis.parameter, end):
        return None
    there = [position(axis, params) for params in good]
    near = sum((place if end == "low" else 1.0 - place) <= _NEAR_END for place in there)
    return end if 2 * near > len(good) else None


def _ends(parameter: Parameter) -> tuple[Any, Any]:
    values = parameter.values
    return (values[0], values[-1]) if values else parameter.bounds


def _is_natural(parameter: Parameter, end: str) -> bool:
    """Whether a range can hardly be extended there: below 0, below one item, above all of it."""
    low, high = _ends(parameter)
    if end == "low":
        return bool(low == 0 or (low == 1 and parameter.kind in ("int", "ordinal")))
    return bool(high == 1 and low == 0 and parameter.kind == "float")
