"""The numbers in what was logged to W&B, wherever it is stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tuner.history.importers.trackers.tracked import flatten
from tuner.history.store.cleaning import MAX_METRICS

_NOT_FINITE = ("NaN", "Infinity", "-Infinity")


def numbers(name: str, value: Any) -> Iterator[tuple[str, int | float]]:
    """Yield the numbers in a value with their names; W&B writes those not finite as texts.

    Args:
        name: the name under which it was logged.
        value: a number, or a mapping with numbers, whose names are joined by dots.
    """
    for full, number in flatten({name: value}, MAX_METRICS).items():
        if isinstance(number, str) and number in _NOT_FINITE:
            yield full, float(number)
        elif isinstance(number, int | float) and not isinstance(number, bool):
            yield full, number
