"""Numbers as objectives give them: Python's, numpy's and 0-d tensors, made plain."""

from __future__ import annotations

import numbers
import operator
from typing import Any


def as_float(value: Any) -> float | None:
    """Return `value` as a float, or None when it is not one number (bool, text, array, None)."""
    if isinstance(value, float):
        return float(value)
    scalar = _unpack(value)
    if isinstance(scalar, bool) or not isinstance(scalar, numbers.Real):
        return None
    try:
        return float(scalar)
    except OverflowError:
        return None


def as_step(value: Any) -> int:
    """Return `value` as a whole number from 1.

    Raises:
        TypeError: not a whole number.
        ValueError: below 1.
    """
    if isinstance(value, bool):
        raise TypeError(f"report: step must be a whole number from 1, not {value!r}")
    try:
        step = operator.index(value)
    except TypeError:
        raise TypeError(f"report: step must be a whole number from 1, not {value!r}") from None
    if step < 1:
        raise ValueError(f"report: step must be a whole number from 1, not {step}")
    return step


def as_metrics(values: dict[str, Any]) -> dict[str, float]:
    """Return the metrics as floats.

    Raises:
        TypeError: one of them is not a number.
    """
    metrics = {}
    for name, value in values.items():
        number = as_float(value)
        if number is None:
            raise TypeError(f"report: metric {name!r} must be a number, not {describe(value)}")
        metrics[name] = number
    return metrics


def describe(value: Any) -> str:
    """Return what a value is, short enough for a message."""
    if value is None:
        return "None"
    text = repr(value)
    if len(text) > 80:
        text = text[:77] + "..."
    return f"{text} ({type(value).__name__})"


def _unpack(value: Any) -> Any:
    """Return the scalar inside a numpy scalar, a 0-d array or a 0-d tensor; else `value`."""
    if getattr(value, "shape", None) != ():
        return value
    for name in ("item", "numpy"):
        method = getattr(value, name, None)
        if callable(method):
            inner = method()
            return inner if name == "item" else _unpack(inner)
    return value
