"""What an objective may return, and what it means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tuner.protocol import fitting_metrics
from workers.objective.numbers import as_float, describe, say_what_is_left_out

Metrics = Sequence[Mapping[str, str]]


class ResultError(Exception):
    """The objective returned an invalid result; the text says what was expected."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """Objective values in the study's metric order, and all other numbers of the result."""

    values: list[float]
    metrics: dict[str, float] = field(default_factory=dict)

    def problem(self, metrics: Metrics) -> str | None:
        """Return which value is NaN or infinite, None if all are finite."""
        for metric, value in zip(metrics, self.values, strict=True):
            if not math.isfinite(value):
                return f"the objective diverged: {metric['name']} is {value}"
        return None


def read_result(returned: Any, metrics: Metrics) -> Result:
    """Return the result for an objective's return value.

    Args:
        returned: a number, a mapping with every metric's name, a Keras History (its best epoch by
            the first metric's goal), or, with several metrics, a tuple in their order.
        metrics: name and goal of each metric of the study.

    Raises:
        ResultError: anything else.
    """
    result = _read(returned, metrics)
    if not say_what_is_left_out(result.metrics, "the result"):
        return result
    # The study's own metrics first: they appear in every table.
    own = {m["name"]: result.metrics[m["name"]] for m in metrics if m["name"] in result.metrics}
    return replace(result, metrics=fitting_metrics({**own, **result.metrics}))


def _read(returned: Any, metrics: Metrics) -> Result:
    logs = getattr(returned, "history", None)
    if isinstance(logs, Mapping) and hasattr(returned, "epoch"):
        return _from_history(logs, metrics)
    if isinstance(returned, Mapping):
        return _from_mapping(returned, metrics)
    if isinstance(returned, tuple) and len(metrics) > 1:
        return _from_tuple(returned, metrics)
    number = as_float(returned)
    if number is None or len(metrics) > 1:
        raise ResultError(
            f"the objective returned {describe(returned)}; expected {_expected(metrics)}"
        )
    return Result(values=[number], metrics={metrics[0]["name"]: number})


def _from_mapping(returned: Mapping[Any, Any], metrics: Metrics) -> Result:
    numbers = {
        str(key): number
        for key, value in returned.items()
        if (number := as_float(value)) is not None
    }
    values = []
    for metric in metrics:
        name = metric["name"]
        if name not in returned:
            raise ResultError(
                f"the objective returned a dict without the metric {name!r}; "
                f"its keys: {_keys(returned)}"
            )
        if name not in numbers:
            raise ResultError(
                f"the objective's metric {name!r} must be a number, not {describe(returned[name])}"
            )
        values.append(numbers[name])
    return Result(values=values, metrics=numbers)


def _from_tuple(returned: tuple[Any, ...], metrics: Metrics) -> Result:
    numbers = [as_float(value) for value in returned]
    values = [number for number in numbers if number is not None]
    if len(values) != len(numbers) or len(values) != len(metrics):
        raise ResultError(
            f"the objective returned {describe(returned)}; expected {_expected(metrics)}"
        )
    names = [metric["name"] for metric in metrics]
    return Result(values=values, metrics=dict(zip(names, values, strict=True)))


def _from_history(logs: Mapping[str, Sequence[Any]], metrics: Metrics) -> Result:
    name, goal = metrics[0]["name"], metrics[0]["goal"]
    if not logs.get(name):
        raise ResultError(
            f"the Keras History has no metric {name!r}; it has: {_keys(logs)}. "
            "Keras names a metric as `metrics=` does, with val_ before it for validation data"
        )
    curve = [as_float(value) for value in logs[name]]
    finite = [(v, i) for i, v in enumerate(curve) if v is not None and math.isfinite(v)]
    if not finite:
        return Result(values=[curve[-1] if curve[-1] is not None else math.nan] * len(metrics))
    choose = max if goal == "maximize" else min
    best = choose(v for v, _ in finite)
    epoch = next(i for v, i in finite if v == best)
    at_best = {key: series[epoch] for key, series in logs.items() if len(series) > epoch}
    return _from_mapping(at_best, metrics)


def _expected(metrics: Metrics) -> str:
    names = [metric["name"] for metric in metrics]
    if len(names) == 1:
        return f"a number, a dict with the key {names[0]!r}, or a Keras History"
    keys = ", ".join(map(repr, names))
    return f"a dict with the keys {keys}, a tuple in that order, or a Keras History"


def _keys(mapping: Mapping[Any, Any]) -> str:
    return ", ".join(sorted(map(str, mapping))) or "none"
