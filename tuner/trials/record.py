"""Builds objects from complete rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")


def maker(kind: type[T], state: Callable[[str], Enum]) -> Callable[[Sequence[Any]], T]:
    """Return a function that builds an object from the values of a complete row.

    It fills the slots directly: the `__init__` of a frozen dataclass takes six times as long, and
    every call of a worker builds several objects.

    Args:
        kind: a dataclass with slots, whose fields are the columns of a table in the same order.
        state: converts the value of the column `state`.

    Returns:
        The function raises ValueError where `state` does, or if columns are missing.
    """
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    setters = [kind.__dict__[name].__set__ for name in names]
    position = names.index("state")
    new = kind.__new__

    def make(row: Sequence[Any]) -> T:
        values = list(row)
        values[position] = state(values[position])
        made = new(kind)
        for setter, value in zip(setters, values, strict=True):
            setter(made, value)
        return made

    return make
