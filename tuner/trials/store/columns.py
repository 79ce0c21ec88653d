"""What the database takes for values of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any


def columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by column, states as the words that they are stored as."""
    return {
        name: value.value if isinstance(value, Enum) else value for name, value in values.items()
    }


def words(states: Iterable[Enum]) -> tuple[str, ...]:
    """Return the words that states are stored as."""
    return tuple(state.value for state in states)
