"""One measured figure, what it should be, and how a list of them is shown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

_PIPE_WIDTH = 160


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A measurement; without a limit it only informs."""

    name: str
    value: float
    unit: str
    #: The value is to be at most, or at least, the limit.
    better: Literal["low", "high"] = "low"
    limit: float | None = None
    #: What was counted, and what else a reader needs to judge it.
    note: str = ""

    @property
    def verdict(self) -> str:
        """Return "reached", "missed", or "" without a goal."""
        if self.limit is None:
            return ""
        is_low = self.better == "low"
        reached = self.value <= self.limit if is_low else self.value >= self.limit
        return "reached" if reached else "missed"

    @property
    def goal(self) -> str:
        """Return the goal as people write it."""
        if self.limit is None:
            return ""
        return f"{'≤' if self.better == 'low' else '≥'} {self.limit:g} {self.unit}".rstrip()

    def to_json(self) -> dict[str, Any]:
        """Return the figure with its verdict as JSON values."""
        value = self.value if math.isfinite(self.value) else None
        return {**asdict(self), "value": value, "verdict": self.verdict or None}


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of `values` do not exceed; NaN of none."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


def median(values: Sequence[float]) -> float:
    """Return the median; NaN of none."""
    return statistics.median(values) if values else math.nan


def show(figures: Sequence[Figure], title: str) -> None:
    """Print the figures as a table."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for heading in ("figure", "goal", "measured", "verdict", "note"):
        right = heading in ("goal", "measured")
        table.add_column(heading, justify="right" if right else "left", no_wrap=right)
    for figure in figures:
        style = {"reached": "green", "missed": "red"}.get(figure.verdict, "")
        measured = f"{figure.value:.4g} {figure.unit}".rstrip()
        table.add_row(figure.name, figure.goal, measured, figure.verdict, figure.note, style=style)
    console = Console()
    if not console.is_terminal:
        # A log file has room for the notes.
        console.width = _PIPE_WIDTH
    console.print(table)
