"""A KerasTuner hyperparameter as a definition of a search space, and its values in both forms.

Definitions are those of a spec: `{type, low, high, step, log, values, value}`. KerasTuner's classes
are recognized by name, so that nothing is imported here:

| KerasTuner | here |
|---|---|
| `Fixed`, anything with a single value | `fixed` |
| `Boolean` | `bool` |
| `Choice`, ordered or not | `ordinal`, `categorical` |
| `Int`, `Float` (both ends included), with a step | `int`, `float`, with a step |
| `sampling="log"`, `"reverse_log"` | `log: true`, `log: reverse` |
| one of these with a step, which multiplies | `ordinal` of the grid's values |
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from workers.hyper.problem import HypermodelError

Definition = dict[str, Any]

#: Limits of a search space (docs/study.md).
MAX_VALUES = 1000
MAX_TEXT = 500
MAX_INT = 2**53
MAX_FLOAT = 1e300
_LOG = {"log": True, "reverse_log": "reverse"}
#: How far a value may exceed an end by rounding, as a share of the end.
_ROUNDED = 1e-9


def define(hp: Any) -> Definition:
    """Return the definition of a hyperparameter, without its conditions.

    Raises:
        HypermodelError: a search space cannot hold it: a text, a number or a list is too large.
    """
    kind = type(hp).__name__
    if kind == "Fixed":
        return {"type": "fixed", "value": _checked(hp, [_shown(hp.value)])[0]}
    if kind == "Boolean":
        return {"type": "bool"}
    if kind == "Choice":
        values = _checked(hp, list(dict.fromkeys(map(_shown, hp.values))))
        return _listed(values, is_ordered=bool(hp.ordered))
    return _define_range(hp, "int" if kind == "Int" else "float")


def default_value(hp: Any, definition: Mapping[str, Any]) -> Any:
    """Return the value of a definition nearest to the hyperparameter's default."""
    return nearest(definition, _shown(hp.default))


def model_value(hp: Any, value: Any) -> Any:
    """Return a value of the search space as the hypermodel receives it: a plain Python value.

    Raises:
        HypermodelError: the model does not allow it.
    """
    kind = type(hp).__name__
    if kind in ("Fixed", "Boolean", "Choice"):
        choices = (False, True) if kind == "Boolean" else hp.values
        for choice in choices:
            if _is_same(_shown(choice), value):
                return choice
    elif isinstance(value, int | float) and not isinstance(value, bool):
        slack = _ROUNDED * max(abs(hp.min_value), abs(hp.max_value))
        is_inside = hp.min_value - slack <= value <= hp.max_value + slack
        if is_inside and (kind == "Float" or _is_whole(value)):
            number = min(max(value, hp.min_value), hp.max_value)
            return float(number) if kind == "Float" else int(number)
    raise HypermodelError(f"{hp.name}: {_quoted(value)}: the model allows {allowed(hp)}")


def nearest(definition: Mapping[str, Any], value: Any) -> Any:
    """Return the value of a definition nearest to one of the search space."""
    kind = definition["type"]
    if kind == "fixed":
        return definition["value"]
    if kind == "bool":
        return bool(value)
    if kind in ("ordinal", "categorical"):
        return _nearest_of(definition["values"], value)
    low, high, step = definition["low"], definition["high"], definition.get("step")
    number = min(max(value, low), high)
    if step is not None:
        # In decimals, as the search space counts its steps.
        first, width = Decimal(str(low)), Decimal(str(step))
        steps = min(round((number - low) / step), int((Decimal(str(high)) - first) / width))
        number = first + steps * width
    return round(number) if kind == "int" else float(number)


def values_in(hp: Any, definition: Mapping[str, Any], wanted: Sequence[Any]) -> list[Any]:
    """Return the values of a definition which, in the model, are among those of a condition.

    Raises:
        HypermodelError: the parameter is a float without a grid, whose values cannot be listed.
    """
    kind = definition["type"]
    if kind == "float":
        raise HypermodelError(
            f"{hp.name}: a condition on it cannot be followed, because the values of a Float "
            "cannot be listed: make it a Choice"
        )
    if kind == "int":
        whole = (value for value in wanted if _is_whole(value))
        return [int(value) for value in dict.fromkeys(whole) if nearest(definition, value) == value]
    listed: Iterable[Any] = definition.get("values") or (
        (definition["value"],) if kind == "fixed" else (False, True)
    )
    return [value for value in listed if _in_model(hp, value) in wanted]


def allowed(hp: Any) -> str:
    """Return in words which values a hyperparameter accepts."""
    kind = type(hp).__name__
    if kind in ("Fixed", "Boolean", "Choice"):
        choices = list(hp.values)
        shown = ", ".join(map(_quoted, choices[:12]))
        more = f" and {len(choices) - 12} more" if len(choices) > 12 else ""
        return shown if len(choices) == 1 else f"one of {shown}{more}"
    noun = "a number" if kind == "Float" else "a whole number"
    return f"{noun} from {hp.min_value} to {hp.max_value}"


def range_text(definition: Mapping[str, Any]) -> str:
    """Return a definition in words."""
    if definition["type"] == "bool":
        return "true or false"
    if "low" not in definition:
        listed = definition.get("values") or [definition["value"]]
        return _quoted(listed[0]) if len(listed) == 1 else f"one of {_quoted(list(listed))}"
    more = "".join(f", {key} {definition[key]}" for key in ("step", "log") if key in definition)
    return f"{definition['low']} to {definition['high']}{more}"


def _define_range(hp: Any, kind: str) -> Definition:
    number = float if kind == "float" else int
    low, high = number(hp.min_value), number(hp.max_value)
    _check_bounds(hp, kind, low, high)
    step = None if hp.step is None or (kind == "int" and hp.step == 1) else number(hp.step)
    if low == high:
        return {"type": "fixed", "value": low}
    if hp.sampling in _LOG:
        if step is not None:
            return _grid(hp, number)
        return {"type": kind, "low": low, "high": high, "log": _LOG[hp.sampling]}
    if step is None:
        return {"type": kind, "low": low, "high": high}
    if step > high - low:
        return {"type": "fixed", "value": low}
    last = _last_step(low, high, step)
    if Decimal(str(number(last))) != last:
        return _grid(hp, number)
    return {"type": kind, "low": low, "high": number(last), "step": step}


def _check_bounds(hp: Any, kind: str, low: int | float, high: int | float) -> None:
    most = MAX_FLOAT if kind == "float" else MAX_INT
    for bound in (low, high):
        if not math.isfinite(bound) or abs(bound) > most:
            raise HypermodelError(
                f"{hp.name}: {bound}: a search space holds numbers up to {most:g} in size; give it "
                "a smaller range"
            )


def _grid(hp: Any, number: type) -> Definition:
    """Return the grid of a multiplicative step, or of one that decimals cannot represent."""
    values = list(itertools.islice(hp.values, MAX_VALUES + 1))
    return _listed(sorted(_checked(hp, [number(value) for value in values])), is_ordered=True)


def _listed(values: list[Any], *, is_ordered: bool) -> Definition:
    if len(values) == 1:
        return {"type": "fixed", "value": values[0]}
    return {"type": "ordinal" if is_ordered else "categorical", "values": values}


def _last_step(low: int | float, high: int | float, step: int | float) -> Decimal:
    """Return the last value of a grid, which floats represent exactly if it has few digits."""
    first, width = Decimal(str(low)), Decimal(str(step))
    # A high that was rounded to a float keeps its last step.
    return first + math.floor((Decimal(str(high)) - first) / width + Decimal("1e-8")) * width


def _checked(hp: Any, values: list[Any]) -> list[Any]:
    if len(values) > MAX_VALUES:
        raise HypermodelError(
            f"{hp.name}: more than {MAX_VALUES} values: a search space lists no more; use a range "
            "without a step, or fewer choices"
        )
    for value in values:
        is_text = isinstance(value, str) and len(value) > MAX_TEXT
        if is_text or (isinstance(value, int | float) and not -MAX_FLOAT <= value <= MAX_FLOAT):
            raise HypermodelError(
                f"{hp.name}: {_quoted(value)}: a search space holds texts up to {MAX_TEXT} "
                f"characters and finite numbers up to {MAX_FLOAT:g} in size"
            )
    return values


def _shown(value: Any) -> Any:
    """Return a choice as shown in a search space: empty and unprintable text as its JSON text."""
    if isinstance(value, str) and not (value and value.isprintable()):
        return json.dumps(value)
    return value


def _in_model(hp: Any, value: Any) -> Any:
    try:
        return model_value(hp, value)
    except HypermodelError:  # of a search space that goes beyond the model, which is said elsewhere
        return None


def _nearest_of(values: Sequence[Any], value: Any) -> Any:
    for choice in values:
        if _is_same(choice, value):
            return choice
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if numbers and isinstance(value, int | float) and not isinstance(value, bool):
        return min(numbers, key=lambda number: abs(number - value))
    return values[0]


def _is_same(left: Any, right: Any) -> bool:
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _is_whole(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _quoted(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
