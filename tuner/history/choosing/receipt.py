"""The readable account of a study's history: what was found, used and left out, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tuner.history.matching.outcomes import REASONS
from tuner.history.store.records import HistoryKind


@dataclass(frozen=True, kw_only=True)
class SourceReceipt:
    """One study in history and one metric of this study.

    Attributes:
        key: the study's key; for an item of the spec that matches nothing, its text.
        kind: where it came from; None: it does not exist.
        locator: path, or URL without password.
        metric_there: its name in that study; None: it has none.
        metric_note: how it was matched and what to know about it.
        listed: whether the spec names the study; otherwise it was found by `auto`.
        found_at: the place that the spec lists, if the runs there are stored with this study.
        same_data: whether it was trained on the same data, by fingerprint.
        same_code: whether it ran the same code, by fingerprint.
        finished: when its last trial ended, seconds since the epoch.
        found: number of its trials.
        used: number of trials that inform this study.
        dropped: the others by reason; found = used + their sum.
        weight: its weight beside other sources, from the user's setting and its data; 0: not used.
        parameters: what was done to a parameter, by name; unchanged ones are omitted.
        left_out: why nothing of it is used; empty if something is.
    """

    key: str
    kind: HistoryKind | None = None
    locator: str = ""
    metric: str
    metric_there: str | None = None
    metric_note: str = ""
    listed: bool = False
    found_at: str = ""
    same_data: bool = False
    same_code: bool = False
    finished: float | None = None
    found: int = 0
    used: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    weight: float = 0.0
    parameters: Mapping[str, str] = field(default_factory=dict)
    left_out: str = ""

    @property
    def reasons(self) -> list[str]:
        """Why trials were dropped, in words: `3 failed by the machine's fault`."""
        return [
            f"{count} {REASONS[reason]}"
            for reason, count in self.dropped.items()
            if reason in REASONS
        ]

    def without_use(self, reason: str) -> SourceReceipt:
        """Return the receipt with the study left out, for a reason that concerns all of it."""
        dropped = dict(self.dropped)
        if self.used:
            dropped["left-out"] = dropped.get("left-out", 0) + self.used
        return replace(self, used=0, weight=0.0, dropped=dropped, left_out=reason)

    def to_json(self) -> dict[str, Any]:
        """Return the receipt as JSON values."""
        # `asdict` would copy every text of a thousand receipts.
        copied = {"dropped": dict(self.dropped), "parameters": dict(self.parameters)}
        return vars(self) | copied


def summarise(metric: str, receipts: Sequence[SourceReceipt], *, asked: bool) -> str:
    """Return one sentence on what history has for a metric.

    Args:
        asked: whether the spec uses any history.
    """
    if not asked:
        return "starts cold: history is none"
    used = [receipt for receipt in receipts if not receipt.left_out]
    if used:
        trials = sum(receipt.used for receipt in used)
        beside = len(receipts) - len(used)
        more = f"; {beside} left out" if beside else ""
        return f"{trials} trials of {_studies(len(used))} inform this study{more}"
    there = [receipt for receipt in receipts if receipt.kind is not None]
    if not there:
        return "starts cold: there is no history"
    if not any(receipt.metric_there for receipt in there):
        return f"starts cold: no historic run has the metric {metric} ({_studies(len(there))} seen)"
    if len(there) == 1:
        (only,) = there
        return f"starts cold: {only.key} cannot inform this study: {only.left_out}"
    return f"starts cold: none of {_studies(len(there))} can inform this study"


def _studies(count: int) -> str:
    return "1 study" if count == 1 else f"{count} studies"
