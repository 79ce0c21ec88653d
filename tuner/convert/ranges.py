"""Other tools' distributions, as definitions of a search space."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import pairwise
from typing import Any

from tuner.space.value import MAX_TEXT, Value, is_number, is_value, is_whole, show

Definition = dict[str, Any]

#: Maximum exponent, beyond which exp overflows.
MAX_EXPONENT = 690.0
#: Standard deviations to each side: together they contain 997 of 1000 draws.
_SIGMAS = 3
#: Minimum number of increasing numbers that suggests an order.
_ORDERED = 3


@dataclass(frozen=True, kw_only=True)
class Read:
    """A definition with its notes."""

    definition: Definition
    #: What has no counterpart.
    lost: tuple[str, ...] = ()
    told: tuple[str, ...] = field(default=())


def interval(
    low: int | float,
    high: int | float,
    *,
    whole: bool,
    log: bool = False,
    step: int | float | None = None,
) -> Definition:
    """Return the definition of a range including both ends; a single value becomes a constant."""
    convert = int if whole else float
    if low == high:
        return {"type": "fixed", "value": convert(low)}
    found: Definition = {
        "type": "int" if whole else "float",
        "low": convert(low),
        "high": convert(high),
    }
    if step is not None and not (whole and step == 1):
        found["step"] = convert(step)
    if log:
        found["log"] = True
    return found


def rounded(low: int | float, high: int | float, q: int | float, *, log: bool = False) -> Read:
    """Return the definition of draws from a range that are rounded to multiples of `q`.

    A log scale with a step has no counterpart: the step is kept, because the program may need it,
    unless it is 1; then the log scale is kept, because the values are the same.
    """
    first, last = _multiple(low, q), _multiple(high, q)
    whole = is_whole(q) and is_whole(first) and is_whole(last)
    if first == last:
        return Read(definition=interval(first, first, whole=whole))
    if log and whole and q == 1 and first >= 1:
        return Read(definition=interval(first, last, whole=True, log=True))
    found = interval(first, last, whole=whole, step=q)
    if not log:
        return Read(definition=found)
    lost = f"a log scale together with a step of {show(q)}; without the step, log: true may stand"
    return Read(definition=found, lost=(lost,))


def bell(mu: float, sigma: float, *, log: bool, q: int | float | None = None) -> Read:
    """Return the range that approximates a normal or log-normal distribution, which has no ends."""
    low, high = mu - _SIGMAS * sigma, mu + _SIGMAS * sigma
    if log:
        low, high = exponential(low), exponential(high)
    low, high = float(f"{low:.6g}"), float(f"{high:.6g}")
    shape = f"{'log-' if log else ''}normal distribution (mu {show(mu)}, sigma {show(sigma)})"
    lost = f"the {shape}, which has no ends; mu - 3 sigma to mu + 3 sigma stand for it"
    if sigma == 0 or low == high:
        return Read(definition=interval(low, low, whole=False))
    if q is None:
        return Read(definition=interval(low, high, whole=False, log=log), lost=(lost,))
    read = rounded(low, high, q, log=log)
    return Read(definition=read.definition, lost=(lost, *read.lost))


def exponential(exponent: float) -> float:
    """Return e to a power, rounded to six digits: exp(-9.21034) becomes 1e-4 again."""
    bounded = min(max(exponent, -MAX_EXPONENT), MAX_EXPONENT)
    return float(f"{math.exp(bounded):.6g}")


def choices(values: Sequence[Any]) -> Read:
    """Return the definition of a list of values.

    Increasing numbers become an ordinal, because their order is meaningful. Values that a spec does
    not allow (null, a list, a mapping) become strings, with a note.
    """
    told: list[str] = []
    lost: list[str] = []
    kept: dict[Value, Value] = {}
    for value in values:
        choice = as_choice(value)
        if choice is None:
            lost.append(f"the choice {show(value)}, which is left out")
        elif choice in kept:
            lost.append(f"the choice {show(value)}, which counts as {show(kept[choice])} here")
        else:
            kept[choice] = choice
    told += odd_texts(values)
    return Read(definition=_listed(list(kept)), lost=tuple(lost), told=tuple(told))


def constant(value: Any) -> Read | None:
    """Return the definition of a single value, None if a spec does not allow it."""
    choice = as_choice(value)
    if choice is None:
        return None
    told = tuple(odd_texts([value]))
    return Read(definition={"type": "fixed", "value": choice}, told=told)


def as_choice(value: Any) -> Value | None:
    """Return a value in the form allowed in a spec: null as `none`, lists and mappings as JSON."""
    if is_value(value):
        return value
    if value is None:
        return "none"
    if isinstance(value, list | dict):
        text = json.dumps(value, ensure_ascii=False, default=str)
        return text if len(text) <= MAX_TEXT and is_value(text) else None
    return None


def odd_texts(values: Iterable[Any]) -> list[str]:
    """Return the notes on values that become strings here but are something else there."""
    told: list[str] = []
    for value in values:
        if value is None:
            told.append('"none" is null there: the program has to take it for None')
        elif isinstance(value, list | dict):
            kind = "list" if isinstance(value, list) else "mapping"
            told.append(f"a {kind} there, a text here: the program reads it with json.loads")
    return list(dict.fromkeys(told))


def _listed(values: list[Value]) -> Definition:
    if len(values) == 1:
        return {"type": "fixed", "value": values[0]}
    if len(values) == 2 and all(isinstance(value, bool) for value in values):
        return {"type": "bool"}
    numbers = [value for value in values if is_number(value)]
    is_rising = len(numbers) == len(values) and all(a < b for a, b in pairwise(numbers))
    kind = "ordinal" if is_rising and len(values) >= _ORDERED else "categorical"
    return {"type": kind, "values": values}


def _multiple(value: int | float, q: int | float) -> int | float:
    """Return the multiple of `q` nearest to a value, in decimal arithmetic."""
    step = Decimal(str(q))
    count = (Decimal(str(value)) / step).to_integral_value(rounding=ROUND_HALF_EVEN)
    found = count * step
    return int(found) if found == found.to_integral_value() else float(found)
