"""What a parameter may be set to, and when two such values are the same."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, TypeGuard

Value = str | int | float | bool

#: Whole numbers beyond this are not exact as JSON numbers and as double precision columns.
MAX_INT = 2**53
MAX_TEXT = 500
_SHOWN_CHARACTERS = 60


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether `value` is a finite number; True and False are not numbers here."""
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def is_whole(value: object) -> TypeGuard[int | float]:
    """Whether `value` is a number without a fraction, exact everywhere (2.0 and 1e3 count)."""
    return is_number(value) and value == int(value) and abs(value) <= MAX_INT


def is_value(value: object) -> TypeGuard[Value]:
    """Whether `value` may be one of the choices of a parameter."""
    if isinstance(value, str):
        return 0 < len(value) <= MAX_TEXT and value.isprintable()
    # NaN compares with nothing.
    return isinstance(value, int | float) and -1e300 <= value <= 1e300


def is_same(left: object, right: object) -> bool:
    """Whether two values mean the same: 1 and 1.0 do, 1 and True do not."""
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def find(value: object, choices: Iterable[Value]) -> Value | None:
    """Return the member of `choices` that means the same as `value`, or None."""
    return next((choice for choice in choices if is_same(choice, value)), None)


def show(value: Any) -> str:
    """Return `value` as it is quoted in a message: JSON, cut after 60 characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    if not text.isprintable():
        text = json.dumps(value, default=str)
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    return f"{text[: _SHOWN_CHARACTERS - 1]}… ({len(text)} characters)"


def show_all(values: Iterable[Any], *, at_most: int = 12) -> str:
    """Return the choices for a message, separated by commas."""
    shown = [show(value) for value in values]
    more = len(shown) - at_most
    return ", ".join(shown if more <= 0 else [*shown[:at_most], f"… and {more} more"])
