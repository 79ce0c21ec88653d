"""Checks the values of a row against its table: type, known words, JSON of the right shape.

SQLite stores whatever it is given: a string in a number column, an empty string in a JSON column.
These rules apply to every column of our tables, by its type and its name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.trials.kinds import EXTERNAL
from tuner.trials.states import AttemptState, StudyState, TrialState
from tuner.trials.store.columns import words

#: What JSON columns contain, by column name.
SHAPES: Mapping[str, tuple[type, ...]] = {
    "spec_json": (dict,),
    "modules_json": (list,),
    "git_json": (dict, type(None)),
    "retry_json": (list,),
    "params_json": (dict,),
    "proposal_json": (dict,),
    "values_json": (list,),
    "metrics_json": (dict,),
    "excluded_json": (list,),
    "failed_json": (list,),
    "facts_json": (dict,),
    "curves_json": (dict,),
    "receipt_json": (dict,),
    "projects_json": (list, type(None)),
    "scopes_json": (list,),
    "image_json": (dict, type(None)),
}
_SHAPE_WORDS = {dict: "an object", list: "a list", type(None): "null"}

#: Columns that contain one of a few words, by table and column.
WORDS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("tuner_studies", "state"): words(StudyState),
    ("tuner_studies", "device"): ("cpu", "gpu", EXTERNAL),
    ("tuner_trials", "state"): words(TrialState),
    ("tuner_attempts", "state"): words(AttemptState),
    ("tuner_attempts", "wanted"): ("continue", "prune", "cancel"),
}
#: Maximum number of characters shown of a value.
_SHOWN = 40


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A value that its column does not allow.

    Attributes:
        text: the value, and what is allowed.
    """

    column: sa.Column[Any]
    text: str


def wrong_values(table: sa.Table, row: Mapping[str, Any]) -> Iterator[Wrong]:
    """Yield the invalid values of a row.

    Args:
        table: one of `tuner.storage.tables`.
        row: its values by column name; missing ones are not checked.
    """
    for column in table.columns:
        if column.name in row:
            allowed = _allowed(table, column, row[column.name])
            if allowed:
                said = f"{column.name} is {_show(row[column.name])}; it must be {allowed}"
                yield Wrong(column=column, text=said)


def require_sound(table: sa.Table, row: Mapping[str, Any]) -> None:
    """Raise if a value of a row is not allowed.

    Raises:
        ValueError: a value is not allowed.
    """
    for wrong in wrong_values(table, row):
        raise ValueError(wrong.text)


def _allowed(table: sa.Table, column: sa.Column[Any], value: Any) -> str:
    """Return what a column allows if it does not allow this value; empty if it does."""
    if value is None:
        return "" if column.nullable else "there"
    words = WORDS.get((table.name, column.name))
    if words is not None:
        return "" if value in words else f"one of {', '.join(words)}"
    kind = column.type
    if isinstance(kind, sa.Boolean):
        return "" if value in (0, 1) and isinstance(value, int) else "true or false"
    if isinstance(kind, sa.Integer):
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return "" if is_whole else "a whole number"
    if isinstance(kind, sa.Float):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if is_number and math.isfinite(value) else "a finite number"
    if isinstance(kind, sa.LargeBinary):
        return "" if isinstance(value, bytes | memoryview) else "bytes"
    if not isinstance(value, str):
        return "a text"
    return _json_allowed(column.name, value) if column.name.endswith("_json") else ""


def _json_allowed(name: str, text: str) -> str:
    shapes = SHAPES.get(name, (dict, list, type(None)))
    words = f"JSON, {' or '.join(_SHAPE_WORDS[shape] for shape in shapes)}"
    try:
        return "" if isinstance(json.loads(text), shapes) else words
    except (ValueError, RecursionError):
        return words


def _show(value: Any) -> str:
    if value is None:
        return "missing"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
