"""A command's reports about itself: lines of JSON on its standard output.

`{"val_accuracy": 0.93, "step": 4}` is a report for step 4; without `step` it is only a result.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tuner.protocol import fitting_metrics
from workers.command.errors import CommandError
from workers.objective.numbers import as_float, as_step, describe

#: Maximum size of a line to parse; a longer one is still part of the output.
MAX_LINE_BYTES = 1 << 20
STEP = "step"


@dataclass(frozen=True, kw_only=True)
class Said:
    """One line that contains the metric."""

    #: All numbers in it, by name.
    numbers: dict[str, float]
    #: Finished epochs, from 1; None: it is not a report.
    step: int | None


class Lines:
    """Splits output into lines. Mutable: it holds the incomplete last line."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._is_too_long = False

    def take(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that `data` completes, without those that are too long."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            whole = bytes(self._rest) + line
            self._rest.clear()
            if not self._is_too_long:
                yield whole
            self._is_too_long = False
        if len(self._rest) + len(rest) > MAX_LINE_BYTES:
            self._rest.clear()
            self._is_too_long = True
        elif not self._is_too_long:
            self._rest += rest

    def end(self) -> Iterator[bytes]:
        """Yield what follows the last line end."""
        if self._rest and not self._is_too_long:
            yield bytes(self._rest)
        self._rest.clear()


def read_line(line: bytes, metric: str) -> Said | None:
    """Return the content of a line; None if it is not a JSON object with the metric in it.

    Raises:
        CommandError: the metric is not a number, or the step is invalid.
    """
    text = line.strip()
    if not (text.startswith(b"{") and text.endswith(b"}")) or len(text) > MAX_LINE_BYTES:
        return None
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or metric not in found:
        return None
    if as_float(found[metric]) is None:
        raise CommandError(
            f"the command printed {metric!r} as {describe(found[metric])}: it must be a number"
        )
    numbers = {k: v for k, raw in found.items() if k != STEP and (v := as_float(raw)) is not None}
    # The metric first: if there are too many numbers, the first ones are kept.
    numbers = fitting_metrics({metric: numbers[metric], **numbers})
    if found.get(STEP) is None:
        return Said(numbers=numbers, step=None)
    try:
        return Said(numbers=numbers, step=as_step(found[STEP]))
    except (TypeError, ValueError) as exc:
        said = str(exc).removeprefix("report: ")
        raise CommandError(f"the command printed a report that is none: {said}") from exc
