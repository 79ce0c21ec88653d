"""Converts our values to those stored in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

import sqlalchemy as sa


def columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by column, with states as the words stored for them."""
    return {
        name: value.value if isinstance(value, Enum) else value for name, value in values.items()
    }


def words(states: Iterable[Enum]) -> tuple[str, ...]:
    """Return the words stored for some states."""
    return tuple(state.value for state in states)


def in_states(column: sa.ColumnElement[str], states: Iterable[Enum]) -> sa.ColumnElement[bool]:
    """Return an SQL condition that a column has one of some states.

    The words are part of the statement itself: with parameters its text would be rendered again for
    each execution, which costs more than executing it.
    """
    return column.in_([sa.literal_column(f"'{word}'", sa.String) for word in words(states)])
