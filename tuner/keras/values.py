"""Numbers in Keras' logs, and values of KerasTuner's hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def numbers_of(logs: Mapping[str, Any]) -> dict[str, float]:
    """Return the entries of Keras' logs that are numbers."""
    found: dict[str, float] = {}
    for name, value in logs.items():
        try:
            found[str(name)] = float(value)
        except (TypeError, ValueError):
            continue
    return found


def objective_of(objective: Any, logs: Mapping[str, Any]) -> float | None:
    """Return the value of KerasTuner's objective; None if the logs do not have it."""
    return float(objective.get_value(logs)) if objective.has_value(logs) else None


def complete(hyperparameters: Any) -> None:
    """Give active hyperparameters without a value their default; remove the values of others."""
    values = hyperparameters.values
    for item in hyperparameters.space:
        if hyperparameters.is_active(item):
            values.setdefault(item.name, item.default)
    for name in {item.name for item in hyperparameters.space}:
        if not hyperparameters.is_active(name):
            values.pop(name, None)
