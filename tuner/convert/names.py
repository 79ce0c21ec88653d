"""Converts other tools' names to the form required in a spec."""

from __future__ import annotations

import re

from tuner.protocol import dotted_name, free_name

_MOST_METRIC = 64
_MOST_NAME = 63
#: Tuner itself writes these to TensorBoard.
_RESERVED_METRIC = re.compile(r"objective(_[0-9]+)?")


class Names:
    """Our names of parameters, each unique. Mutable: it grows with every name.

    `--learning-rate` becomes `learning_rate`, `encoder/units` becomes `encoder.units`; duplicates
    get a number.
    """

    def __init__(self) -> None:
        self._ours: dict[str, str] = {}
        self._taken: set[str] = set()

    def of(self, given: str) -> str:
        """Return our name for a parameter, always the same for the same input."""
        known = self._ours.get(given)
        if known is not None:
            return known
        name = free_name(dotted_name(given), self._taken)
        self._ours[given] = name
        self._taken.add(name)
        return name

    def knows(self, given: str) -> bool:
        """Whether a name has been seen before."""
        return given in self._ours

    def pairs(self) -> list[tuple[str, str]]:
        """Return every name with ours, in the order in which they were added."""
        return list(self._ours.items())


def metric_name(given: str) -> str:
    """Return a metric's name with the characters replaced that a spec does not allow."""
    name = re.sub(r"[^A-Za-z0-9_./-]+", "_", given).strip("_")[:_MOST_METRIC] or "metric"
    if not (name[0].isalpha() or name[0] == "_"):
        name = f"_{name}"[:_MOST_METRIC]
    return f"{name}_"[:_MOST_METRIC] if _RESERVED_METRIC.fullmatch(name) else name


def slug(given: str, otherwise: str) -> str:
    """Return a name for a project or study, made from any text."""
    found = re.sub(r"[^a-z0-9]+", "-", given.lower())[:_MOST_NAME].strip("-")
    return found or otherwise
