"""A space as KerasTuner's `HyperParameters.get_config()` writes it, and back.

KerasTuner itself is not needed. What the other side cannot express is translated to what it can:

| here | KerasTuner | and back |
|---|---|---|
| ordinal | `Choice(ordered=True)`, numbers only; texts lose their order | ordinal |
| categorical of one type | `Choice(ordered=False)` | categorical |
| one value | `Fixed` | fixed |
| `log: reverse` | `reverse_log` | `log: reverse` |
| forbidden combinations | not expressible, left out | - |
| - | log or reverse_log with a step (geometric grid) | ordinal of the grid's values |
| - | one name, defined under other conditions | `<name>.<value of its innermost condition>` |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tuner.protocol import branch_name, free_name
from tuner.space.parameter import Condition, Log, Parameter
from tuner.space.search_space import SearchSpace
from tuner.space.value import Value, find, is_number, is_value, is_whole, show

_MAX_GRID = 1000
_SAMPLING: dict[Log, str] = {False: "linear", True: "log", "reverse": "reverse_log"}


def to_kerastuner(space: SearchSpace) -> dict[str, Any]:
    """Return the `get_config()` of the space; its values are the defaults that KerasTuner uses.

    Raises:
        ValueError: a parameter mixes texts and numbers, which `Choice` does not take.
    """
    config = [_to_item(parameter) for parameter in space.parameters]
    defaults = {item["config"]["name"]: _default(item) for item in config}
    return {"space": config, "values": space.walk(lambda parameter: defaults[parameter.name])}


def from_kerastuner(config: Mapping[str, Any]) -> tuple[SearchSpace, list[str]]:
    """Return the space of a `get_config()`, and notes on what was only approximated.

    Raises:
        ValueError: an entry is of an unknown class or is invalid.
    """
    read, notes = read_definitions(config)
    return SearchSpace(parameters=tuple(item.parameter for item in read)), notes


@dataclass(frozen=True, kw_only=True)
class Defined:
    """A parameter, and its name in the model."""

    source: str
    parameter: Parameter


def read_definitions(config: Mapping[str, Any]) -> tuple[list[Defined], list[str]]:
    """Return the definitions of a `get_config()` in their order, and notes.

    A name with several definitions under different conditions keeps its first one; a repeated
    definition is ignored.

    Raises:
        ValueError: an entry is of an unknown class or is invalid.
    """
    notes: list[str] = []
    read: list[Defined] = []
    for item in config["space"]:
        settings = item["config"]
        source = settings["name"]
        reader = _READERS.get(item["class_name"])
        if reader is None:
            raise ValueError(f"{source}: unknown KerasTuner class {show(item['class_name'])}")
        when = _conditions(settings, read)
        if not all(condition.values for condition in when):
            notes.append(f"{source}: its conditions exclude each other, so it is left out")
            continue
        earlier = [one for one in read if one.source == source]
        if any(one.parameter.when == when for one in earlier):
            notes.append(f"{source}: defined twice under one condition; the first counts")
            continue
        name = branch_name(source, when[-1].values[0]) if earlier and when else source
        name = free_name(name, [one.parameter.name for one in read])
        read.append(Defined(source=source, parameter=reader(name, when, settings)))
    return read, notes


def own_values(read: Sequence[Defined], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a KerasTuner trial by our names.

    Args:
        read: the trial's definitions.
        values: by the model's names; a name without a definition is kept.
    """
    ours: dict[str, Any] = {}
    for one in read:
        parameter = one.parameter
        is_active = all(condition.holds(ours) for condition in parameter.when)
        if one.source in values and is_active:
            ours[parameter.name] = values[one.source]
    known = {one.source for one in read}
    return {**ours, **{name: value for name, value in values.items() if name not in known}}


def _to_item(parameter: Parameter) -> dict[str, Any]:
    common: dict[str, Any] = {"name": parameter.name, "conditions": _to_conditions(parameter)}
    if parameter.size == 1:
        return {"class_name": "Fixed", "config": {**common, "value": parameter.at(0)}}
    if parameter.kind == "bool":
        return {"class_name": "Boolean", "config": {**common, "default": False}}
    if parameter.values:
        return _to_choice(parameter, common)
    low, high = parameter.bounds
    # KerasTuner accepts step None for "every whole number" only together with a log scale.
    step = 1 if parameter.kind == "int" and parameter.step is None else parameter.step
    ranged = {
        "min_value": low,
        "max_value": high,
        "step": None if parameter.log else step,
        "sampling": _SAMPLING[parameter.log],
        "default": low,
    }
    name = "Int" if parameter.kind == "int" else "Float"
    return {"class_name": name, "config": {**common, **ranged}}


def _to_choice(parameter: Parameter, common: dict[str, Any]) -> dict[str, Any]:
    types = {type(value) for value in parameter.values}
    if types == {int, float}:
        types = {float}
    if len(types) != 1:
        raise ValueError(f"{parameter.name}: KerasTuner's Choice needs values of one type")
    values = [types.copy().pop()(value) for value in parameter.values]
    settings = {
        "values": values,
        "ordered": parameter.kind == "ordinal" and types <= {int, float},
        "default": values[0],
    }
    return {"class_name": "Choice", "config": {**common, **settings}}


def _to_conditions(parameter: Parameter) -> list[dict[str, Any]]:
    return [
        {"class_name": "Parent", "config": {"name": item.parent, "values": list(item.values)}}
        for item in parameter.when
    ]


def _default(item: dict[str, Any]) -> Value:
    settings = item["config"]
    default: Value = settings["value"] if item["class_name"] == "Fixed" else settings["default"]
    return default


def _conditions(settings: Mapping[str, Any], read: Sequence[Defined]) -> tuple[Condition, ...]:
    """Return the conditions of an item in our names; several on one parent are merged."""
    when: dict[str, tuple[Value, ...]] = {}
    for item in settings.get("conditions") or []:
        parent, values = item["config"]["name"], tuple(item["config"]["values"])
        # Of several definitions of the parent, the one that is active under the conditions so far.
        named = [one.parameter for one in read if one.source == parent]
        fitting = [p for p in named if is_active_under(p, when)]
        found = max(fitting or named, key=lambda p: len(p.when), default=None)
        name = parent if found is None else found.name
        if name in when:
            values = tuple(value for value in when[name] if find(value, values) is not None)
        when[name] = values
    return tuple(Condition(parent=name, values=values) for name, values in when.items())


def is_active_under(parameter: Parameter, when: Mapping[str, Sequence[Value]]) -> bool:
    """Whether the conditions allow a parameter in some configurations with these values."""
    return all(
        any(find(value, item.values) is not None for value in when.get(item.parent, ()))
        for item in parameter.when
    )


def _read_fixed(name: str, when: tuple[Condition, ...], settings: Mapping[str, Any]) -> Parameter:
    value = settings["value"]
    if not is_value(value):
        raise ValueError(f"{name}: {show(value)} is neither text, number, true nor false")
    return Parameter(name=name, kind="fixed", value=value, when=when)


def _read_bool(name: str, when: tuple[Condition, ...], settings: Mapping[str, Any]) -> Parameter:
    return Parameter(name=name, kind="bool", when=when)


def _read_choice(name: str, when: tuple[Condition, ...], settings: Mapping[str, Any]) -> Parameter:
    values = tuple(settings["values"])
    if not values or not all(is_value(value) for value in values):
        raise ValueError(f"{name}: {show(list(values))} are not texts, numbers, true or false")
    if len(values) == 1:
        return Parameter(name=name, kind="fixed", value=values[0], when=when)
    kind = "ordinal" if settings.get("ordered") else "categorical"
    return Parameter(name=name, kind=kind, values=values, when=when)  # type: ignore[arg-type]


def _read_int(name: str, when: tuple[Condition, ...], settings: Mapping[str, Any]) -> Parameter:
    low, high = settings["min_value"], settings["max_value"]
    if not is_whole(low) or not is_whole(high):
        raise ValueError(f"{name}: {show(low)} to {show(high)} are not whole numbers")
    step = settings.get("step")
    return _read_range(name, "int", when, settings, None if step == 1 else step)


def _read_float(name: str, when: tuple[Condition, ...], settings: Mapping[str, Any]) -> Parameter:
    return _read_range(name, "float", when, settings, settings.get("step"))


def _read_range(
    name: str,
    kind: Literal["int", "float"],
    when: tuple[Condition, ...],
    settings: Mapping[str, Any],
    step: int | float | None,
) -> Parameter:
    low, high = settings["min_value"], settings["max_value"]
    if not is_number(low) or not is_number(high) or low > high:
        raise ValueError(f"{name}: {show(low)} to {show(high)} is not a range")
    sampling = settings.get("sampling") or "linear"
    if low == high:
        return Parameter(name=name, kind="fixed", value=low, when=when)
    if sampling != "linear" and step is not None:
        values = tuple(_grid(kind, sampling, low, high, step))
        return Parameter(name=name, kind="ordinal", values=values, when=when)
    log = next((log for log, word in _SAMPLING.items() if word == sampling), False)
    return Parameter(name=name, kind=kind, low=low, high=high, step=step, log=log, when=when)


def _grid(
    kind: Literal["int", "float"], sampling: str, low: float, high: float, step: float
) -> list[Value]:
    """Return low, low * step, low * step**2 … up to high, mirrored for reverse_log, ascending."""
    if not is_number(step) or step <= 1:
        raise ValueError(f"a step of {show(step)} under {sampling} sampling is not above 1")
    count = min(int(math.log(high / low, step) + 1e-8) + 1, _MAX_GRID)
    values = [low * step**index for index in range(count)]
    if sampling == "reverse_log":
        values = [high + low - value for value in reversed(values)]
    return [int(value) if kind == "int" else float(value) for value in values]


_Reader = Callable[[str, tuple[Condition, ...], Mapping[str, Any]], Parameter]
_READERS: dict[str, _Reader] = {
    "Fixed": _read_fixed,
    "Boolean": _read_bool,
    "Choice": _read_choice,
    "Int": _read_int,
    "Float": _read_float,
}
