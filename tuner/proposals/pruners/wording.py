"""Describes in words why a pruner condemned a trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.proposals.pruners.marks import HALVED, MARK

_SHARES = {0.5: "half", 0.25: "quarter", 0.1: "tenth"}


def stop_text(key: str, mark: Mapping[str, Any]) -> str:
    """Return a sentence on why a pruner stopped a trial, or would have.

    Args:
        key: of the mark; see `marks.py`.
        mark: as left by the pruner.
    """
    if key == MARK:
        return mark_text(mark, by=" by history")
    return halved_text(mark) if key == HALVED else _plain_text(mark)


def mark_text(mark: Mapping[str, Any], by: str = "") -> str:
    """Return a sentence on why a trial was stopped, or would have been.

    Args:
        mark: as left on the trial by `HistoryPruner`.
        by: the pruner, if the context does not name it.
    """
    what = "would have been stopped" if mark["audited"] else "stopped"
    at = f"{what}{by} at epoch {mark['step']} of {mark['horizon']:g}"
    there = f"{_ordinal(mark['rank'])} of {mark['of']} there"
    if mark["same_data"] is not None:
        there += f", behind {mark['same_data']:.0%} of those of the same data"
    studies = "1 study" if mark["studies"] == 1 else f"{mark['studies']} studies"
    share = best_share(mark["top"])
    said = f"of the trials of {studies} that stood so, {_percent(mark['chance'])} ended {share}"
    text = f"{at}: {there}; {said}; trust {mark['trust']:.2f}"
    return f"{text}; it runs on to see whether that is so" if mark["audited"] else text


def halved_text(mark: Mapping[str, Any]) -> str:
    """Return a sentence on why `asha` or `hyperband` stopped a trial, or would have.

    Args:
        mark: as left on the trial by `HalvingPruner`.
    """
    what = "would have been stopped" if mark["audited"] else "stopped"
    at = f"at step {mark['step']}"
    there = f"{_ordinal(mark['rank'])} of {mark['of']} there"
    kept = mark["kept"]
    go_on = "only the best continues" if kept == 1 else f"the best {kept} continue"
    # Marks of earlier releases say no more.
    if "pruner" in mark:
        bracket = "" if mark["bracket"] is None else f" (bracket {mark['bracket']})"
        what += f" by {mark['pruner']}{bracket}"
        rung = "its first rung" if mark["first"] else "a rung"
        at += f", {rung}" if mark["step"] == mark["rung"] else f", for {rung}, step {mark['rung']}"
        there = f"{_number(mark['value'])} is {there}"
        limit = _number(mark["limit"])
        go_on += f" ({limit})" if kept == 1 else f" ({_ordinal(kept)}: {limit})"
    text = f"{what} {at}: {there}, {go_on}"
    return f"{text}; it runs on to see whether the first rung is right" if mark["audited"] else text


def _plain_text(mark: Mapping[str, Any]) -> str:
    """Return why `median` or `patient` stopped a trial."""
    at = f"stopped by {mark['pruner']} at step {mark['step']}"
    best = f"its best so far, {_number(mark['value'])},"
    if mark["pruner"] == "median":
        trials = "1 whole trial" if mark["of"] == 1 else f"{mark['of']} whole trials"
        median = f"{_number(mark['median'])}, the median of {trials} at that step"
        return f"{at}: {best} is worse than {median}"
    since = f"the {mark['reports']} reports since came to {_number(mark['since'])} at best"
    return f"{at}: {best} was at step {mark['at']}, and {since}"


def _number(value: float) -> str:
    return f"{value:.6g}"


def best_share(top: float) -> str:
    """Return `in the best half`, or the respective fraction."""
    return f"in the best {_SHARES.get(top, f'{top:.0%}')}"


def _percent(chance: float) -> str:
    return "less than 1 %" if chance < 0.01 else f"{100 * chance:.0f} %"


def _ordinal(number: int) -> str:
    last = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if 10 < number % 100 < 14 else last}"
