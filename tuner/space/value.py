"""What a parameter may be set to, and when two such values are equal."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, TypeGuard, cast

Value = str | int | float | bool

#: Whole numbers beyond this are not exact in JSON and in double precision columns.
MAX_INT = 2**53
MAX_TEXT = 500
_SHOWN_CHARACTERS = 60


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether `value` is a finite number; True and False do not count as numbers here."""
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
    # Every comparison with NaN is false.
    return isinstance(value, int | float) and -1e300 <= value <= 1e300


def is_same(left: object, right: object) -> bool:
    """Whether two values mean the same: 1 and 1.0 do, 1 and True do not."""
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def find(value: object, choices: Iterable[Value]) -> Value | None:
    """Return the member of `choices` that means the same as `value`, or None."""
    return next((choice for choice in choices if is_same(choice, value)), None)


class Choices:
    """Values that are looked up by meaning, in constant time.

    Args:
        values: if two mean the same, the first one counts.
    """

    def __init__(self, values: Iterable[Value]) -> None:
        self._by_meaning: dict[tuple[bool, Value], Value] = {}
        for value in values:
            self._by_meaning.setdefault((isinstance(value, bool), value), value)

    def __len__(self) -> int:
        return len(self._by_meaning)

    def find(self, value: object) -> Value | None:
        """Return the member that means the same as `value`, or None."""
        try:
            return self._by_meaning.get((isinstance(value, bool), cast("Value", value)))
        except TypeError:  # a list or a mapping has no hash
            return None

    def all(self) -> tuple[Value, ...]:
        """Return the distinct members, in their order."""
        return tuple(self._by_meaning.values())


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
