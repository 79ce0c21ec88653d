"""What ties parameters together: `when` conditions and forbidden combinations, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tuner.space.parameter import Condition, Parameter
from tuner.space.problem import Path, Problems, did_you_mean
from tuner.space.value import Value, find, show, show_all

#: Every proposal is compared with each of them.
MAX_CLAUSES = 1000

_WHEN = "a mapping of parents to lists of their values, as {train.optimizer: [sgd]}"
_FORBID = "a list of mappings of parameters to values, as [{train.optimizer: sgd, model.layers: 4}]"


def parse_conditions(
    data: Mapping[str, Any], parameters: dict[str, Parameter], path: Path, problems: Problems
) -> dict[str, Parameter]:
    """Return `parameters` with the conditions that their definitions in `data` state.

    A circle of conditions is reported and cut, so that the result can be ordered.
    """
    known = [str(name) for name in data]
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
    known: Sequence[str],
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
            problems.key(where, "unknown parameter", _known(parent, known))
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
        problems.wrong(path, values, f"at least one value, {parent.allowed}")
        return None
    found: list[Value] = []
    for index, value in enumerate(listed):
        match = parent.find(value)
        if match is None:
            problems.wrong((*path, index) if listed is values else path, value, parent.allowed)
        elif find(match, found) is None:
            found.append(match)
    return Condition(parent=parent.name, values=tuple(found)) if found else None


def _without_circles(
    parameters: dict[str, Parameter], path: Path, problems: Problems
) -> dict[str, Parameter]:
    waiting = dict(parameters)
    placed: set[str] = set()
    while ready := [name for name, item in waiting.items() if _parents(item) <= placed]:
        placed.update(ready)
        for name in ready:
            del waiting[name]
    cut = dict(parameters)
    for name in waiting:
        circle = _circle(name, waiting)
        # A parameter that only hangs below a circle is not itself at fault.
        if circle[-1] == name:
            allowed = f"no circle of conditions: {' → '.join(circle)}"
            problems.key((*path, name, "when"), "", allowed)
            cut[name] = replace(waiting[name], when=())
    return cut


def _parents(parameter: Parameter) -> set[str]:
    return {condition.parent for condition in parameter.when}


def _circle(name: str, waiting: dict[str, Parameter]) -> list[str]:
    """Return the way from `name` along parents that wait too, until one comes up again."""
    way = [name]
    while way.count(way[-1]) == 1:
        way.append(min(_parents(waiting[way[-1]]) & waiting.keys()))
    return way


def parse_forbid(
    data: Any,
    known: Sequence[str],
    parameters: dict[str, Parameter],
    path: Path,
    problems: Problems,
) -> tuple[dict[str, Value], ...]:
    """Return the valid forbidden combinations of a list; arguments as in `parse_assignment`."""
    if not isinstance(data, list) or len(data) > MAX_CLAUSES:
        problems.wrong(path, data, f"{_FORBID}, at most {MAX_CLAUSES}")
        return ()
    clauses = [
        parse_assignment(item, known, parameters, (*path, index), problems)
        for index, item in enumerate(data)
    ]
    return tuple(clause for clause in clauses if clause)


def parse_assignment(
    data: Any,
    known: Sequence[str],
    parameters: dict[str, Parameter],
    path: Path,
    problems: Problems,
) -> dict[str, Value]:
    """Return the valid part of a mapping parameter → value, each value in its canonical form.

    Args:
        known: every name that is defined; one that `parameters` lacks was reported already.
    """
    if not isinstance(data, Mapping) or not data:
        problems.wrong(path, data, "a mapping of at least one parameter to one value")
        return {}
    assigned: dict[str, Value] = {}
    for name, value in data.items():
        where = (*path, name)
        if name not in known:
            problems.key(where, "unknown parameter", _known(name, known))
        elif name in parameters:
            match = parameters[name].find(value)
            if match is None:
                problems.wrong(where, value, parameters[name].allowed)
            else:
                assigned[name] = match
    return assigned


def _known(name: object, known: Sequence[str]) -> str:
    return f"{did_you_mean(name, known)}known parameters: {show_all(known)}"


def describe(clause: Mapping[str, Value]) -> str:
    """Return an assignment as people write it."""
    return "{" + ", ".join(f"{name}: {show(value)}" for name, value in clause.items()) + "}"


def read_when(parameter: Parameter, data: Mapping[str, Any]) -> Parameter:
    """Return `parameter` with the conditions of `data`, unchecked: the parents are not at hand."""
    when = data.get("when") or {}
    conditions = (Condition(parent=name, values=tuple(values)) for name, values in when.items())
    return replace(parameter, when=tuple(conditions))
