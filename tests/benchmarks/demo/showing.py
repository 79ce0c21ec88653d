"""The comparison as a table that is its own plot: a bar for each study after each trial."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from tests.benchmarks.demo.pairs import Pair, medians

_BAR = 40


def table(pairs: Sequence[Pair], metric: str) -> Table:
    """Return the best after 1, 2, 3, … trials, cold above warm: medians over the pairs.

    Bars begin at the number that the heading names, so that differences are seen.
    """
    cold, warm = medians([p.cold for p in pairs]), medians([p.warm for p in pairs])
    low, high = _scale([*cold, *warm])
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    shown.add_column("after trial", justify="right")
    shown.add_column("")
    of = f", median of {len(pairs)} pairs" if len(pairs) > 1 else ""
    shown.add_column(f"best {metric} so far{of} (bars begin at {low:.2f})", no_wrap=True)
    for number, (without, with_history) in enumerate(zip(cold, warm, strict=True), 1):
        shown.add_row(str(number), "cold", _bar(without, low, high), style="dim")
        is_last = number == len(cold)
        shown.add_row("", "warm", _bar(with_history, low, high), style="green", end_section=is_last)
    return shown


def _scale(values: Sequence[float]) -> tuple[float, float]:
    """Return where bars begin and end."""
    low, high = min(values), max(values)
    spread = (high - low) or 1.0
    return low - 0.1 * spread, high


def _bar(value: float, low: float, high: float) -> str:
    width = round(_BAR * (value - low) / (high - low))
    return f"{'█' * width} {value:.3f}"
