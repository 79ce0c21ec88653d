"""A trial that a pruner condemned, in the words that people read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SHARES = {0.5: "half", 0.25: "quarter", 0.1: "tenth"}


def mark_text(mark: Mapping[str, Any]) -> str:
    """Return why a trial was stopped, or would have been, in a sentence.

    Args:
        mark: as `HistoryPruner` leaves it on the trial.
    """
    what = "would have been stopped" if mark["audited"] else "stopped"
    at = f"{what} at epoch {mark['step']} of {mark['horizon']:g}"
    there = f"{_ordinal(mark['rank'])} of {mark['of']} there"
    if mark["same_data"] is not None:
        there += f", behind {mark['same_data']:.0%} of those of the same data"
    studies = "1 study" if mark["studies"] == 1 else f"{mark['studies']} studies"
    share = best_share(mark["top"])
    said = f"of the trials of {studies} that stood so, {_percent(mark['chance'])} ended {share}"
    text = f"{at}: {there}; {said}; trust {mark['trust']:.2f}"
    return f"{text}; it runs on to see whether that is so" if mark["audited"] else text


def halved_text(mark: Mapping[str, Any]) -> str:
    """Return why `asha` or `hyperband` stopped a trial, or would have, in a sentence.

    Args:
        mark: as `HalvingPruner` leaves it on the trial.
    """
    what = "would have been stopped" if mark["audited"] else "stopped"
    go_on = "only the best goes on" if mark["kept"] == 1 else f"the best {mark['kept']} go on"
    there = f"{_ordinal(mark['rank'])} of {mark['of']} there, {go_on}"
    text = f"{what} at step {mark['step']}: {there}"
    return f"{text}; it runs on to see whether the first rung is right" if mark["audited"] else text


def best_share(top: float) -> str:
    """Return `in the best half`, or whatever share it is."""
    return f"in the best {_SHARES.get(top, f'{top:.0%}')}"


def _percent(chance: float) -> str:
    return "less than 1 %" if chance < 0.01 else f"{100 * chance:.0f} %"


def _ordinal(number: int) -> str:
    last = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if 10 < number % 100 < 14 else last}"
