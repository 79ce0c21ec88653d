"""Finds the earlier studies that can inform a study, and says why the others cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tuner.history.choosing.candidates import Cache, Candidate, CandidateFinder, StudyTarget
from tuner.history.choosing.copies import Copies
from tuner.history.choosing.receipt import SourceReceipt, summarise
from tuner.history.choosing.selection import Selection, select
from tuner.history.store.database import HistoryStore
from tuner.history.store.records import StudySummary
from tuner.space.encoding import Encoding
from tuner.spec.model import StudySpec
from tuner.surrogate.history.source import Source

#: Maximum number of studies that inform one study.
MAX_SOURCES = 1000


@dataclass(frozen=True, kw_only=True)
class FoundHistory:
    """The result of a search in history.

    Attributes:
        by_metric: the sources for each metric of the study, the most informative first.
        receipts: one for each metric and each study that was checked.
        summaries: one sentence for each metric.
        versions: the versions of the studies in history, by key; see `StudySummary`.
    """

    by_metric: Mapping[str, tuple[Source, ...]]
    receipts: tuple[SourceReceipt, ...]
    summaries: Mapping[str, str]
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources for the first metric."""
        return next(iter(self.by_metric.values()), ())

    @property
    def summary(self) -> str:
        """One sentence on the first metric."""
        return next(iter(self.summaries.values()), "")

    def without(self, reasons: Mapping[str, Mapping[str, str]]) -> FoundHistory:
        """Return the result with studies that turned out to teach nothing as left out.

        Args:
            reasons: why, by metric and by the study's key.
        """
        receipts = [
            receipt.without_use(reason)
            if (reason := reasons.get(receipt.metric, {}).get(receipt.key)) and receipt.used
            else receipt
            for receipt in self.receipts
        ]
        summaries = dict(self.summaries)
        for metric in (name for name, found in reasons.items() if found):
            mine = [receipt for receipt in receipts if receipt.metric == metric]
            summaries[metric] = summarise(metric, mine, asked=True)
        return replace(self, receipts=tuple(receipts), summaries=summaries)

    def to_json(self) -> dict[str, Any]:
        """Return sentences and receipts as JSON values."""
        receipts = [receipt.to_json() for receipt in self.receipts]
        return {"summary": dict(self.summaries), "sources": receipts}


def find(
    store: HistoryStore,
    spec: StudySpec,
    *,
    data: str | None = None,
    code: str | None = None,
    cache: Cache | None = None,
) -> FoundHistory:
    """Return the sources for a study, and a receipt for everything that was checked.

    The study itself and copies of it are never sources, whatever the spec says.

    Args:
        spec: the study's spec; its `history` says where to look.
        data: fingerprint of its data, if any.
        code: hash of its code, if any.
        cache: from earlier calls for the same study, so that what has not changed is not read
            again; it is added to.
    """
    kept: Cache = {} if cache is None else cache
    summaries = store.studies() if spec.history else []
    selection = select(summaries, spec.history)
    encoding = Encoding(spec.space)
    by_metric: dict[str, tuple[Source, ...]] = {}
    receipts: list[SourceReceipt] = []
    told: dict[str, str] = {}
    for metric in spec.metrics:
        target = StudyTarget(
            name=spec.name,
            encoding=encoding,
            metric=metric,
            data=data,
            code=code,
            stops_trials=spec.pruner.name != "none",
        )
        candidates = _candidates(CandidateFinder(store, target, kept), selection, spec.name)
        mine = [candidate.receipt for candidate in candidates]
        mine += _unknown(selection, metric.name)
        by_metric[metric.name] = tuple(c.source for c in candidates if c.source is not None)
        told[metric.name] = summarise(metric.name, mine, asked=bool(spec.history))
        receipts += mine
    return FoundHistory(
        by_metric=by_metric,
        receipts=tuple(receipts),
        summaries=told,
        versions={summary.key: summary.version for summary in summaries},
    )


def _candidates(looker: CandidateFinder, selection: Selection, name: str) -> list[Candidate]:
    looked = [looker.look(choice) for choice in selection.choices]
    summaries = [choice.summary for choice in selection.choices]
    found = [candidate for candidate in looked if candidate is not None]
    return _limited(_without_copies(found, looker, summaries, name))


def _without_copies(
    candidates: Sequence[Candidate],
    looker: CandidateFinder,
    summaries: Sequence[StudySummary],
    name: str,
) -> list[Candidate]:
    """Return the candidates without copies, of the study itself and of one another."""
    copies = Copies()
    for summary in summaries:
        itself = looker.own(summary) if summary.is_own and summary.key == name else None
        if itself is not None:
            copies.admit(itself)
    checked: list[Candidate] = []
    # Studies of this database before imports, and whole studies before parts of them.
    for candidate in sorted(candidates, key=lambda c: (not c.is_own, -c.receipt.used, c.order)):
        source = candidate.source
        original = None if source is None else copies.admit(source)
        if original is not None:
            candidate = candidate.without_source(f"a copy of {original}")
        checked.append(candidate)
    return checked


def _limited(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates in order, with at most `MAX_SOURCES` sources."""
    limited: list[Candidate] = []
    left = MAX_SOURCES
    for candidate in sorted(candidates, key=lambda c: c.order):
        if candidate.source is not None and left == 0:
            reason = f"beyond the {MAX_SOURCES} studies that one takes"
            candidate = candidate.without_source(reason)
        left -= candidate.source is not None
        limited.append(candidate)
    return limited


def _unknown(selection: Selection, metric: str) -> list[SourceReceipt]:
    """Return receipts for what the spec names and history does not have."""
    receipts = []
    for item in selection.unknown:
        if item.weight == 0:
            continue
        reason = "no such study with a trial that ended"
        if item.path is not None:
            reason = f"no import of this path; what it holds: tuner history add {item.path}"
        receipts.append(SourceReceipt(key=item.place, metric=metric, listed=True, left_out=reason))
    return receipts
