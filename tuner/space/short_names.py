"""Parameters by the last part of their names, for columns with little room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return the last part of each dotted name, or the whole name if several end alike."""
    listed = list(names)
    count = Counter(_last_part(name) for name in listed)
    return {name: _last_part(name) if count[_last_part(name)] == 1 else name for name in listed}


def _last_part(name: str) -> str:
    return name.rpartition(".")[2]
