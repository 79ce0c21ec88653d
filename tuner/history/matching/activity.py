"""Conditions of this study in the trials of an earlier one, which may have had others or none."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tuner.history.matching.placing import Flags, PlacedColumn
from tuner.space import Condition, Parameter, Value
from tuner.space.encoding import Encoding
from tuner.space.value import find, show

#: Two positions closer than this are equal.
_SAME = 1e-9


def infer_parents(encoding: Encoding, placed: dict[str, PlacedColumn]) -> dict[str, str]:
    """Set parents that were not recorded although a child was, if only one value allows that.

    Args:
        placed: by tuned parameter; parents are replaced in place.

    Returns:
        A note for each parent that was set.
    """
    notes: dict[str, str] = {}
    # Children first: a parent that was set counts as a recorded child of its own parents.
    for child in reversed(encoding.space.parameters):
        if child.name not in placed:
            continue
        for condition in child.when:
            parent = placed.get(condition.parent)
            is_open = parent is not None and not parent.foreign.any()
            if is_open and len(condition.values) == 1 and condition.parent not in notes:
                _infer(encoding, condition.parent, placed, notes)
    return notes


def _infer(
    encoding: Encoding, parent: str, placed: dict[str, PlacedColumn], notes: dict[str, str]
) -> None:
    if placed[parent].known.any():
        return
    n = len(placed[parent].x)
    x, clash = np.full(n, np.nan), np.zeros(n, dtype=bool)
    by: dict[str, Value] = {}
    for child in encoding.space.parameters:
        value = _needed(child, parent)
        if value is None or child.name not in placed:
            continue
        rows = placed[child.name].known
        position = encoding.unit(parent, value)
        clash |= rows & ~np.isnan(x) & (x != position)
        x[rows] = position
        by |= {child.name: value} if rows.any() else {}
    x[clash] = np.nan
    known = ~np.isnan(x)
    if known.any():
        placed[parent] = PlacedColumn(x=x, known=known, foreign=np.zeros(n, dtype=bool))
        said = ", ".join(f"{show(value)} where {name} is" for name, value in by.items())
        notes[parent] = f"not recorded there; taken as {said} (a guess)"


def _needed(child: Parameter, parent: str) -> Value | None:
    """Return the one value of a parent for which a parameter is active, None if there are more."""
    values = [condition.values for condition in child.when if condition.parent == parent]
    return values[0][0] if len(values) == 1 and len(values[0]) == 1 else None


def apply_conditions(
    encoding: Encoding, placed: Mapping[str, PlacedColumn], n: int
) -> tuple[dict[str, Flags], dict[str, int]]:
    """Return where each tuned parameter cannot be active, and how many values that removes.

    An unknown parent excludes nothing.

    Args:
        placed: by tuned parameter.
    """
    idle: dict[str, Flags] = {}
    stripped: dict[str, int] = {}
    for parameter in encoding.space.parameters:
        out = np.zeros(n, dtype=bool)
        for condition in parameter.when:
            out |= idle[condition.parent] | _fails(encoding, condition, placed, n)
        idle[parameter.name] = out
        if parameter.name in placed:
            count = int(np.count_nonzero(out & placed[parameter.name].known))
            stripped |= {parameter.name: count} if count else {}
    return {name: idle[name] for name in placed}, stripped


def _fails(
    encoding: Encoding, condition: Condition, placed: Mapping[str, PlacedColumn], n: int
) -> Flags:
    parent = encoding.space[condition.parent]
    if parent.kind == "fixed":
        return np.full(n, find(parent.at(0), condition.values) is None)
    column = placed[condition.parent]
    places = np.array([encoding.unit(condition.parent, value) for value in condition.values])
    holds = (np.abs(column.x[:, None] - places[None, :]) < _SAME).any(axis=1)
    fails: Flags = (column.known | column.foreign) & ~holds
    return fails
