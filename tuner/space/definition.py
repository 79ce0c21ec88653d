"""Parameter definitions as people write them: `{type: float, low: 1e-5, high: 0.1, log: true}`.

Every problem is collected, none raised; positions are paths, so that a caller can point into a
file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tuner.space.conditions import parse_conditions
from tuner.space.parameter import KINDS, Log, Parameter, ParameterKind
from tuner.space.problem import Path, Problems, did_you_mean
from tuner.space.value import (
    MAX_INT,
    MAX_TEXT,
    Value,
    is_number,
    is_value,
    is_whole,
    show,
    show_all,
)

MAX_PARAMETERS = 500
MAX_VALUES = 1000
_MAX_FLOAT = 1e300

_KEYS: dict[ParameterKind, tuple[str, ...]] = {
    "float": ("low", "high", "step", "log"),
    "int": ("low", "high", "step", "log"),
    "categorical": ("values",),
    "ordinal": ("values",),
    "bool": (),
    "fixed": ("value",),
}
#: What Optuna, KerasTuner and other libraries call these keys.
_SYNONYMS = {
    "min": "low",
    "min_value": "low",
    "max": "high",
    "max_value": "high",
    "q": "step",
    "choices": "values",
    "options": "values",
    "kind": "type",
    "scale": "log",
    "sampling": "log",
    "if": "when",
    "condition": "when",
    "conditions": "when",
    "parent": "when",
}
_CHOICE = f"text of at most {MAX_TEXT} characters, a finite number, true or false"
_LIST = f"a list of 1 to {MAX_VALUES} different values, each {_CHOICE}"
_EXAMPLE = (
    "a mapping of parameter names to definitions, as "
    "train.momentum: {type: float, low: 0, high: 0.9}"
)


def parse_all(data: Any, path: Path, problems: Problems) -> dict[str, Parameter]:
    """Return the valid parameters of a mapping name → definition, in order, with conditions.

    A parameter with a problem is left out, and so is a condition with a problem.
    """
    if not isinstance(data, Mapping) or not data:
        problems.wrong(path, data, _EXAMPLE)
        return {}
    if len(data) > MAX_PARAMETERS:
        problems.wrong(path, f"{len(data)} parameters", f"at most {MAX_PARAMETERS}")
        return {}
    parsed: dict[str, Parameter] = {}
    for name, item in data.items():
        parameter = parse(str(name), item, (*path, name), problems)
        if parameter is not None:
            parsed[parameter.name] = parameter
    return parse_conditions(data, parsed, path, problems)


def parse(name: str, data: Any, path: Path, problems: Problems) -> Parameter | None:
    """Return one parameter without its conditions, None if the definition has a problem."""
    if not isinstance(data, Mapping):
        problems.wrong(path, data, f"a mapping with a type, one of {show_all(KINDS)}")
        return None
    before = len(problems)
    kind = _kind(data, path, problems)
    if kind is None:
        return None
    problems.unknown_keys(path, data, ("type", *_KEYS[kind], "when"), _SYNONYMS)
    parameter = _PARSERS[kind](name, kind, data, path, problems)
    return parameter if len(problems) == before else None


def _kind(data: Mapping[str, Any], path: Path, problems: Problems) -> ParameterKind | None:
    if "type" not in data:
        problems.missing((*path, "type"), f"one of {show_all(KINDS)}")
        return None
    for kind in KINDS:
        if data["type"] == kind:
            return kind
    problems.wrong(
        (*path, "type"),
        data["type"],
        lambda: f"{did_you_mean(data['type'], KINDS)}one of {show_all(KINDS)}",
    )
    return None


def _parse_range(
    name: str, kind: ParameterKind, data: Mapping[str, Any], path: Path, problems: Problems
) -> Parameter | None:
    before = len(problems)
    low = _bound(kind, "low", data, path, problems)
    high = _bound(kind, "high", data, path, problems)
    log = data.get("log", False)
    if not isinstance(log, bool) and log != "reverse":
        problems.wrong((*path, "log"), log, "true, false or reverse")
        log = False
    if low is None or high is None:
        return None
    if low >= high:
        problems.wrong(
            (*path, "low"),
            data["low"],
            f"a number below high ({show(high)}); for a constant write {{type: fixed, value: …}}",
        )
    _check_log(kind, log, low, data, path, problems)
    # In decimals: 0.3 - 0.2 is below 0.1 in binary.
    width = Decimal(str(high)) - Decimal(str(low))
    step = _step(kind, data, width, path, problems)
    if len(problems) > before:
        return None
    parameter = Parameter(name=name, kind=kind, low=low, high=high, step=step, log=log)
    _check_decimals(parameter, data, path, problems)
    return parameter


def _check_decimals(
    parameter: Parameter, data: Mapping[str, Any], path: Path, problems: Problems
) -> None:
    """Report a decimal grid that floats cannot represent: Optuna would lose its last value."""
    if parameter.kind != "float" or parameter.step is None:
        return
    low, high = parameter.bounds
    steps = (parameter.size or 1) - 1
    exact = Decimal(str(low)) + steps * Decimal(str(parameter.step))
    if Decimal(str(high)) != exact or high > data["high"]:
        allowed = "a decimal step and low of few digits, as 0.05, so that every value is exact"
        problems.wrong((*path, "step"), data["step"], allowed)


def _bound(
    kind: ParameterKind, key: str, data: Mapping[str, Any], path: Path, problems: Problems
) -> int | float | None:
    allowed = (
        f"a finite number up to {_MAX_FLOAT:g} in size"
        if kind == "float"
        else f"a whole number up to {MAX_INT} in size"
    )
    if key not in data:
        problems.missing((*path, key), allowed)
        return None
    value = data[key]
    valid = is_number(value) and abs(value) <= _MAX_FLOAT if kind == "float" else is_whole(value)
    if not valid:
        problems.wrong((*path, key), value, allowed)
        return None
    return float(value) if kind == "float" else int(value)


def _check_log(
    kind: ParameterKind,
    log: Log,
    low: int | float,
    data: Mapping[str, Any],
    path: Path,
    problems: Problems,
) -> None:
    word = "reverse" if log == "reverse" else "true"
    if log and low <= 0:
        least = "above 0" if kind == "float" else "of at least 1"
        problems.wrong((*path, "low"), data["low"], f"a number {least}, because log is {word}")
    if log and data.get("step") is not None:
        problems.wrong(
            (*path, "step"), data["step"], f"no step when log is {word}; leave out one of them"
        )


def _step(
    kind: ParameterKind, data: Mapping[str, Any], width: Decimal, path: Path, problems: Problems
) -> int | float | None:
    step = data.get("step")
    if step is None:
        return None
    noun = "number" if kind == "float" else "whole number"
    valid = is_number(step) if kind == "float" else is_whole(step)
    if not valid or step <= 0 or (width > 0 and Decimal(str(step)) > width):
        allowed = f"a {noun} above 0 and at most high - low ({width.normalize():f})"
        problems.wrong((*path, "step"), step, allowed)
        return None
    if width / Decimal(str(step)) > MAX_INT:
        allowed = f"a step that divides the range into at most {MAX_INT} parts"
        problems.wrong((*path, "step"), step, allowed)
        return None
    return float(step) if kind == "float" else int(step)


def _parse_values(
    name: str, kind: ParameterKind, data: Mapping[str, Any], path: Path, problems: Problems
) -> Parameter | None:
    if "values" not in data:
        problems.missing((*path, "values"), _LIST)
        return None
    values = data["values"]
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_VALUES:
        problems.wrong((*path, "values"), values, _LIST)
        return None
    before = len(problems)
    # Python's own equality, for which 1, 1.0 and True are equal: Optuna looks up choices with it.
    seen: dict[Value, Value] = {}
    for index, value in enumerate(values):
        where = (*path, "values", index)
        if not is_value(value):
            problems.wrong(where, value, _CHOICE)
        elif value in seen:
            problems.wrong(where, value, f"a value unlike {show(seen[value])}, which is there")
        else:
            seen[value] = value
    if len(problems) > before:
        return None
    return Parameter(name=name, kind=kind, values=tuple(values))


def _parse_bool(
    name: str, kind: ParameterKind, data: Mapping[str, Any], path: Path, problems: Problems
) -> Parameter | None:
    return Parameter(name=name, kind=kind)


def _parse_fixed(
    name: str, kind: ParameterKind, data: Mapping[str, Any], path: Path, problems: Problems
) -> Parameter | None:
    if "value" not in data:
        problems.missing((*path, "value"), _CHOICE)
        return None
    if not is_value(data["value"]):
        problems.wrong((*path, "value"), data["value"], _CHOICE)
        return None
    return Parameter(name=name, kind=kind, value=data["value"])


_Parser = Callable[[str, ParameterKind, Mapping[str, Any], Path, Problems], Parameter | None]
_PARSERS: dict[ParameterKind, _Parser] = {
    "float": _parse_range,
    "int": _parse_range,
    "categorical": _parse_values,
    "ordinal": _parse_values,
    "bool": _parse_bool,
    "fixed": _parse_fixed,
}


def to_json(parameter: Parameter) -> dict[str, Any]:
    """Return the definition that `parse` turns into `parameter`."""
    data: dict[str, Any] = {"type": parameter.kind}
    if parameter.kind in ("float", "int"):
        data |= {"low": parameter.low, "high": parameter.high}
        data |= {"step": parameter.step} if parameter.step is not None else {}
        data |= {"log": parameter.log} if parameter.log else {}
    elif parameter.kind == "fixed":
        data["value"] = parameter.value
    elif parameter.kind != "bool":
        data["values"] = list(parameter.values)
    if parameter.when:
        data["when"] = {item.parent: list(item.values) for item in parameter.when}
    return data
