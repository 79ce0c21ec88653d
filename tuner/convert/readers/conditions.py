"""Infers conditions of parameters from which of a study's trials have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuner.space.value import Value, is_number

#: Maximum number of a parent's values in a condition; with more it would say nothing.
_MOST_VALUES = 50

Trial = Mapping[str, Value]
Definition = Mapping[str, Any]


def find_condition(
    name: str, space: Mapping[str, Definition], trials: Sequence[Trial]
) -> tuple[str, list[Value]] | None:
    """Return the parent of a parameter and the values that activate it; None if no parent does.

    A parent is recorded in every trial that has the parameter, and has other values in the trials
    with the parent alone. If there are several, the first in the order of the space is taken. If
    the parent is an integer and the parameter occurred with all its high values, it is active from
    the lowest of them on.

    Args:
        name: of a parameter that some of the trials lack.
        space: definitions by name; those of parents list their values, or are whole numbers.
        trials: their parameters; at least one contains `name`.
    """
    having = [trial for trial in trials if name in trial]
    lacking = [trial for trial in trials if name not in trial]
    for parent, definition in space.items():
        if parent == name or definition["type"] in ("float", "fixed"):
            continue
        if not all(parent in trial for trial in having):
            continue
        with_it = {_mark(trial[parent]): trial[parent] for trial in having}
        without = {_mark(trial[parent]) for trial in lacking if parent in trial}
        # If only trials without the parent lack the parameter, a common ancestor explains both.
        if without and not with_it.keys() & without:
            values = _values(definition, with_it.values(), without)
            return (parent, values) if values else None
    return None


def _values(definition: Definition, found: Any, without: set[tuple[bool, Value]]) -> list[Value]:
    if definition["type"] != "int":
        listed = definition.get("values", [False, True])
        known = {_mark(value) for value in found}
        return [value for value in listed if _mark(value) in known]
    numbers = sorted(value for value in found if is_number(value))
    others = [value for _, value in without if is_number(value)]
    last = definition["high"] if numbers and others and numbers[0] > max(others) else numbers[-1]
    if last != numbers[-1]:
        numbers = list(range(int(numbers[0]), int(last) + 1, int(definition.get("step", 1))))
    return list(numbers) if len(numbers) <= _MOST_VALUES else []


def _mark(value: Value) -> tuple[bool, Value]:
    return isinstance(value, bool), value
