"""The meaning of recorded values: other tools write numbers as text, and booleans as numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Literal

from tuner.space.value import Value, find, is_number

#: Twice the spacing of float32 around 1: a value stored with 32 bits is at most this far off.
FLOAT32 = 2.0**-22
#: How a recorded value was converted to its form here.
How = Literal["same", "converted", "spelling"]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_TRUTH = {
    **dict.fromkeys(("true", "yes", "on", "1", "1.0"), True),
    **dict.fromkeys(("false", "no", "off", "0", "0.0"), False),
}


def as_number(value: object) -> float | None:
    """Return a recorded value as a finite number; None if it is not one.

    Text counts if it is a plain decimal number, and True and False are 1 and 0.
    """
    if isinstance(value, str):
        text = value.strip()
        value = float(text) if _NUMBER.fullmatch(text) else None
    if isinstance(value, bool):
        return float(value)
    if not is_number(value):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def as_truth(value: object) -> bool | None:
    """Return a recorded value as true or false; None if it is neither."""
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else str(value)
    return _TRUTH.get(text)


def is_near(left: float, right: float) -> bool:
    """Whether two numbers may be the same, one of them stored with 32 bits."""
    return abs(left - right) <= FLOAT32 * max(abs(left), abs(right))


def match_choice(value: Value, choices: Sequence[Value]) -> tuple[Value, How] | None:
    """Return which of `choices` a recorded value is, and how it was matched, or None.

    A looser comparison is used only if no stricter one finds anything, and it must be unambiguous.
    """
    same = find(value, choices)
    if same is not None:
        return same, "same"
    for found in (_by_truth(value, choices), _by_number(value, choices)):
        if found is not None:
            return found, "converted"
    spelled = _alone([c for c in choices if isinstance(c, str) and _folded(c) == _folded(value)])
    return None if spelled is None else (spelled, "spelling")


def _by_truth(value: Value, choices: Sequence[Value]) -> Value | None:
    truth = as_truth(value)
    if truth is None:
        return None
    if isinstance(value, bool):
        return _alone([c for c in choices if not isinstance(c, bool) and as_truth(c) is truth])
    return find(truth, choices)


def _by_number(value: Value, choices: Sequence[Value]) -> Value | None:
    number = None if isinstance(value, bool) else as_number(value)
    if number is None:
        return None
    numbers = [(c, as_number(c)) for c in choices if not isinstance(c, bool)]
    return _alone([c for c, other in numbers if other is not None and is_near(number, other)])


def _folded(value: Value) -> str:
    return re.sub(r"[\s_-]+", "", str(value)).casefold()


def _alone(found: Sequence[Value]) -> Value | None:
    return found[0] if len(found) == 1 else None
