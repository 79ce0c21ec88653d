"""What the database takes for values of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

import sqlalchemy as sa


def columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by column, states as the words that they are stored as."""
    return {
        name: value.value if isinstance(value, Enum) else value for name, value in values.items()
    }


def words(states: Iterable[Enum]) -> tuple[str, ...]:
    """Return the words that states are stored as."""
    return tuple(state.value for state in states)


def in_states(column: sa.ColumnElement[str], states: Iterable[Enum]) -> sa.ColumnElement[bool]:
    """Return whether a column has one of some states, as SQL.

    The words stand in the statement itself: with parameters its text would be written anew each
    time that it is executed, which costs more than to execute it.
    """
    return column.in_([sa.literal_column(f"'{word}'", sa.String) for word in words(states)])
