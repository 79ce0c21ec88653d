"""Values as the files of a log say them: numbers, texts and scalars, of bounded size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

#: Of one trial's parameters or metrics, and of the letters of a name or a text.
MOST_NAMES, MOST_LETTERS = 10_000, 2_000


def finite(value: object) -> float | None:
    """Return a number that files of a log say, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def scalars(found: object) -> Mapping[str, Any]:
    """Return what is a JSON scalar of a mapping, by names."""
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
