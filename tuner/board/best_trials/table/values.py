"""Values from the files of a log: numbers, texts and scalars, of bounded size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

#: Maximum number of a trial's parameters or metrics, and maximum length of a name or a text.
MOST_NAMES, MOST_LETTERS = 10_000, 2_000


def finite(value: object) -> float | None:
    """Return a number from the files of a log, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def scalars(found: object) -> Mapping[str, Any]:
    """Return the entries of a mapping that are JSON scalars, by name."""
    if not isinstance(found, Mapping):
        return {}
    kept = {}
    for name, value in list(found.items())[:MOST_NAMES]:
        if isinstance(value, str):
            kept[short(name)] = short(value)
        elif isinstance(value, bool | int) or finite(value) is not None:
            kept[short(name)] = value
    return kept


def short(value: object) -> str:
    """Return a text of bounded length, empty for anything else."""
    return value[:MOST_LETTERS] if isinstance(value, str) else ""
