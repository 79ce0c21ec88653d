"""What ties parameters together: `when` conditions and forbidden combinations, checked."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from tuner.space.parameter import Condition, Parameter
from tuner.space.problem import Path, Problems, did_you_mean
from tuner.space.value import Choices, Value, show, show_all

#: Maximum number of forbidden combinations: every proposal is compared with each of them.
MAX_CLAUSES = 1000

#: Maximum number of parameters of a cycle that a message names.
_MAX_SHOWN = 12

_WHEN = "a mapping of parents to lists of their values, as {train.optimizer: [sgd]}"
_FORBID = "a list of mappings of parameters to values, as [{train.optimizer: sgd, model.layers: 4}]"


def parse_conditions(
    data: Mapping[str, Any], parameters: dict[str, Parameter], path: Path, problems: Problems
) -> dict[str, Parameter]:
    """Return `parameters` with the conditions from their definitions in `data`.

    A cycle of conditions is reported and cut, so that the result can be ordered.
    """
    known = {str(name): None for name in data}
    with_conditions = dict(parameters)
    for name, item in data.items():
        when = item.get("when") if isinstance(item, Mapping) else None
        if when is not None:
            where = (*path, name, "when")
            conditions = _parse_when(when, where, known, parameters, problems)
            if name in parameters:
                with_conditions[name] = replace(parameters[name], when=conditions)
    return _without_circles(with_conditions, path, problems)


def _parse_when(
    when: Any,
    path: Path,
    known: Collection[str],
    parameters: dict[str, Parameter],
    problems: Problems,
) -> tuple[Condition, ...]:
    if not isinstance(when, Mapping) or not when:
        problems.wrong(path, when, _WHEN)
        return ()
    conditions: list[Condition] = []
    for parent, values in when.items():
        where = (*path, parent)
        if parent not in known:
            problems.key(where, "unknown parameter", functools.partial(_known, parent, known))
        elif parent in parameters:
            condition = _parse_condition(parameters[parent], values, where, problems)
            conditions += [] if condition is None else [condition]
    return tuple(conditions)


def _parse_condition(
    parent: Parameter, values: Any, path: Path, problems: Problems
) -> Condition | None:
    if parent.kind == "float":
        allowed = "a parent that is not a float: its values cannot be listed"
        problems.key(path, "float parameter", allowed)
        return None
    listed = values if isinstance(values, list) else [values]
    if not listed:
        problems.wrong(path, values, lambda: f"at least one value, {parent.allowed}")
        return None
    found: list[Value] = []
    for index, value in enumerate(listed):
        match = parent.find(value)
        if match is None:
            where = (*path, index) if listed is values else path
            problems.wrong(where, value, lambda: parent.allowed)
        else:
            found.append(match)
    return Condition(parent=parent.name, values=Choices(found).all()) if found else None


def _without_circles(
    parameters: dict[str, Parameter], path: Path, problems: Problems
) -> dict[str, Parameter]:
    cut = dict(parameters)
    for circle in _circles(parameters):
        for place, name in enumerate(circle):
            allowed = functools.partial(_describe_circle, circle, place)
            problems.key((*path, name, "when"), "", allowed)
            cut[name] = replace(parameters[name], when=())
    return cut


def _circles(parameters: Mapping[str, Parameter]) -> list[list[str]]:
    """Return the cycles of conditions; a parameter that only depends on a cycle is in none."""
    waiting = _circular(parameters)
    # Follow the first parent by name that waits as well, so that each has exactly one successor.
    after = {
        name: min(parent for parent in _parents(parameters[name]) if parent in waiting)
        for name in waiting
    }
    circles: list[list[str]] = []
    seen: set[str] = set()
    for name in waiting:
        way: dict[str, int] = {}
        while name not in seen and name not in way:
            way[name] = len(way)
            name = after[name]
        if name in way:
            circles.append(list(way)[way[name] :])
        seen.update(way)
    return circles


def _circular(parameters: Mapping[str, Parameter]) -> dict[str, None]:
    """Return the parameters that cannot be ordered parents first, in their order."""
    left = {name: len(_parents(item)) for name, item in parameters.items()}
    below: dict[str, list[str]] = {}
    for name, item in parameters.items():
        for parent in _parents(item):
            below.setdefault(parent, []).append(name)
    ready = [name for name, count in left.items() if not count]
    while ready:
        name = ready.pop()
        del left[name]
        for child in below.get(name, ()):
            left[child] -= 1
            if not left[child]:
                ready.append(child)
    return dict.fromkeys(left)


def _parents(parameter: Parameter) -> set[str]:
    return {condition.parent for condition in parameter.when}


def _describe_circle(circle: list[str], place: int) -> str:
    way = [*circle[place:], *circle[:place], circle[place]]
    if len(way) > _MAX_SHOWN:
        more = f"… ({len(way) - _MAX_SHOWN} more)"
        way = [*way[: _MAX_SHOWN - 1], more, way[-1]]
    return f"no circle of conditions: {' → '.join(way)}"


def parse_forbid(
    data: Any,
    known: Collection[str],
    parameters: dict[str, Parameter],
    problems: Problems,
) -> tuple[dict[str, Value], ...]:
    """Return the valid combinations of the key `forbid`; arguments as in `parse_assignment`."""
    if not isinstance(data, list) or len(data) > MAX_CLAUSES:
        problems.wrong(("forbid",), data, f"{_FORBID}, at most {MAX_CLAUSES}")
        return ()
    clauses = [
        parse_assignment(item, known, parameters, ("forbid", index), problems)
        for index, item in enumerate(data)
    ]
    return tuple(clause for clause in clauses if clause)


def parse_assignment(
    data: Any,
    known: Collection[str],
    parameters: dict[str, Parameter],
    path: Path,
    problems: Problems,
) -> dict[str, Value]:
    """Return the valid part of a mapping parameter → value, each value in canonical form.

    Args:
        known: every name that is defined; one missing from `parameters` was reported already.
    """
    if not isinstance(data, Mapping) or not data:
        problems.wrong(path, data, "a mapping of at least one parameter to one value")
        return {}
    assigned: dict[str, Value] = {}
    for name, value in data.items():
        where = (*path, name)
        if name not in known:
            problems.key(where, "unknown parameter", functools.partial(_known, name, known))
        elif name in parameters:
            match = parameters[name].find(value)
            if match is None:
                parameter = parameters[name]
                problems.wrong(where, value, functools.partial(_allowed, parameter))
            else:
                assigned[name] = match
    return assigned


def _allowed(parameter: Parameter) -> str:
    return parameter.allowed


def _known(name: object, known: Collection[str]) -> str:
    if not known:
        return "search_space gives no parameter yet; give this one there"
    return f"{did_you_mean(name, known)}known parameters: {show_all(known)}"


def describe(clause: Mapping[str, Value]) -> str:
    """Return an assignment as people write it."""
    return "{" + ", ".join(f"{name}: {show(value)}" for name, value in clause.items()) + "}"


def read_when(parameter: Parameter, data: Mapping[str, Any]) -> Parameter:
    """Return `parameter` with the conditions of `data`, unchecked: the parents are unknown."""
    when = data.get("when") or {}
    conditions = (Condition(parent=name, values=tuple(values)) for name, values in when.items())
    return replace(parameter, when=tuple(conditions))
