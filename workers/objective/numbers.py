"""Converts numbers from objectives to plain ones: Python's, numpy's and 0-d tensors.

One rule for all: a number is a real one (int, float, `Fraction`, `Decimal`, numpy scalars, arrays
and tensors without dimensions), and is stored as the nearest 64-bit float. Booleans, text and
complex numbers do not count, nor does what is too large for a float.
"""

from __future__ import annotations

import math
import numbers
import operator
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tuner.protocol import (
    MAX_METRIC_BYTES,
    MAX_METRICS,
    MAX_STEP,
    fitting_metrics,
    metrics_size,
    name_problem,
    step_problem,
)

#: Maximum size of one report's metrics as JSON, in bytes, that its worker accepts.
MAX_REPORT_BYTES = 2_000_000


def as_float(value: Any) -> float | None:
    """Return `value` as a float, or None if it is not a single number (bool, text, array, None)."""
    if isinstance(value, float):
        return float(value)
    scalar = _unpack(value)
    if not _is_real(scalar):
        return None
    try:
        number = float(scalar)
    except (OverflowError, ValueError):  # too large; a signalling NaN
        return None
    if isinstance(scalar, Decimal) and math.isinf(number) and scalar.is_finite():
        return None
    return number


def as_step(value: Any) -> int:
    """Return `value` as a step.

    Raises:
        TypeError: not a whole number.
        ValueError: below 1, or above the maximum.
    """
    if isinstance(value, bool):
        raise TypeError(f"report: step must be a whole number from 1, not {value!r}")
    try:
        step = operator.index(value)
    except TypeError:
        text = f"report: step must be a whole number from 1, not {_text(value)}"
        raise TypeError(text) from None
    if step < 1:
        raise ValueError(f"report: step must be a whole number from 1, not {_text(step)}")
    if step_problem(step) is not None:
        raise ValueError(
            f"report: step must be a whole number from 1 to {MAX_STEP}, not {_text(step)}: it "
            "counts epochs and is neither a time nor an id"
        )
    return step


def as_metrics(values: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of a report as floats.

    Raises:
        TypeError: one of them is not a number.
        ValueError: a name is too long, or all together are too large.
    """
    metrics = {}
    for name, value in values.items():
        if problem := name_problem(name):
            raise ValueError(f"report: {problem}")
        number = as_float(value)
        if number is None:
            raise TypeError(f"report: metric {name!r} must be a number, not {describe(value)}")
        metrics[name] = number
    if (size := metrics_size(metrics)) > MAX_REPORT_BYTES:
        raise ValueError(
            f"report: {len(metrics)} metrics are {size} bytes, at most {MAX_REPORT_BYTES} in one "
            "report"
        )
    return metrics


def say_what_is_left_out(metrics: Mapping[str, float], what: str) -> bool:
    """Print which metrics the service does not keep to the trial's output; return whether any.

    They cause no failure: they are only recorded beside the value that counts.
    """
    kept = fitting_metrics(metrics)
    if len(kept) == len(metrics):
        return False
    first = next(name for name in metrics if name not in kept)
    sys.stderr.write(
        f"tuner: {what} has {len(metrics)} metrics; the service keeps {len(kept)} of them, not "
        f"{first[:80]!r} for example (at most {MAX_METRICS}, {MAX_METRIC_BYTES} bytes in all)\n"
    )
    return True


def describe(value: Any) -> str:
    """Return a description of a value that is short enough for a message."""
    if value is None:
        return "None"
    text = _text(value)
    if len(text) > 80:
        text = text[:77] + "..."
    is_large = not isinstance(value, float) and _is_real(value) and as_float(value) is None
    beyond = ", more than a 64-bit float can hold" if is_large else ""
    return f"{text} ({type(value).__name__}{beyond})"


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real | Decimal) and not isinstance(value, bool)


def _text(value: Any) -> str:
    """Return the `repr` of a value, which may fail for a user's class or for 10000 digits."""
    try:
        return repr(value)
    # A user's `__repr__` may raise anything.
    except Exception:  # noqa: BLE001
        if isinstance(value, int):
            return f"a whole number of {value.bit_length()} bits"
        return f"something of type {type(value).__name__}"


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
