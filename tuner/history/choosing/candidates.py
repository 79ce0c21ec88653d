"""Checks each study in history: whether it can inform a study, and as which source."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, replace

from tuner.errors import SpecError, StudyError
from tuner.history.choosing.receipt import SourceReceipt
from tuner.history.choosing.selection import ChosenStudy
from tuner.history.matching.mapping import LISTED, MapOptions, Mapped, map_study
from tuner.history.matching.metric import MetricMatch, match_metric
from tuner.history.matching.naming import match_names
from tuner.history.store.database import HistoryStore
from tuner.history.store.records import HistoricStudy, StudySummary
from tuner.space.encoding import Encoding
from tuner.spec.history import HistoryItem
from tuner.spec.parts import Metric
from tuner.surrogate.history.source import Source

#: Factor on the weight of a study with the same data.
SAME_DATA = 2.0

#: Requirements for a study that was found rather than listed.
_FOUND = MapOptions()
#: Accepts anything that can be mapped.
_ALL = MapOptions(min_trials=1, min_share=0.0)

#: Maximum number of studies without pruned trials whose curves are read, for a study with a pruner:
#: more of them hardly change the estimate of how well a rung predicts the end.
_MOST_CURVES = 100

#: Mapped studies by everything that they depend on, for one study that learns.
Cache = MutableMapping[object, Mapped]


@dataclass(frozen=True, kw_only=True)
class StudyTarget:
    """The study that learns, and the metric concerned.

    Attributes:
        name: `project/study`.
        encoding: the encoding of its space.
        data: fingerprint of its data, if any.
        code: hash of its code, if any.
        stops_trials: whether it has a pruner, so that curves of complete trials matter as well.
    """

    name: str
    encoding: Encoding
    metric: Metric
    data: str | None
    code: str | None
    stops_trials: bool = False


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A study that was checked; it has a source unless something excludes it."""

    receipt: SourceReceipt
    source: Source | None = None
    is_own: bool = False

    @property
    def order(self) -> tuple[object, ...]:
        """The sort key: listed by the user first, then with the same data, then newest."""
        receipt = self.receipt
        return (not receipt.listed, not receipt.same_data, -(receipt.finished or 0.0), receipt.key)

    def without_source(self, reason: str) -> Candidate:
        """Return the candidate without a source, for a reason that concerns the whole study."""
        return replace(self, receipt=self.receipt.without_use(reason), source=None)


class CandidateFinder:
    """Checks studies for one that learns.

    Args:
        cache: from earlier checks for the same study; it is added to.
    """

    def __init__(self, store: HistoryStore, target: StudyTarget, cache: Cache) -> None:
        self._store = store
        self._target = target
        self._cache = cache
        #: Number of studies without pruned trials whose curves were read.
        self._with_curves = 0

    def look(self, choice: ChosenStudy) -> Candidate | None:
        """Return a study as a candidate; None if the spec does not select it."""
        summary, item = choice.summary, choice.item
        itself = summary.is_own and summary.key == self._target.name
        if item is None or (itself and not choice.is_listed):
            return None
        options = self._options(choice, item)
        match = self._match(summary, options)
        reason = "the study itself" if itself else self._refusal(summary, item, options, match)
        plain = Candidate(receipt=self._receipt(choice, match), is_own=summary.is_own)
        if reason:
            return plain.without_source(reason)
        try:
            mapped = self._map(summary, options)
        except (SpecError, StudyError) as exc:
            return plain.without_source(f"cannot be read: {exc}")
        return replace(
            plain, receipt=_filled(plain.receipt, mapped, options.weight), source=mapped.source
        )

    def own(self, summary: StudySummary) -> Source | None:
        """Return the trials that the study itself has so far, to detect copies of it."""
        try:
            return self._map(summary, _ALL).source
        except (SpecError, StudyError):
            return None

    def _options(self, choice: ChosenStudy, item: HistoryItem) -> MapOptions:
        same_data = _same(choice.summary.data, self._target.data)
        weight = item.weight * (SAME_DATA if same_data else 1.0)
        base = LISTED if choice.is_listed else _FOUND
        return replace(base, weight=weight, renames=item.rename)

    def _refusal(
        self,
        summary: StudySummary,
        item: HistoryItem,
        options: MapOptions,
        match: MetricMatch | str,
    ) -> str:
        """Return why a study need not be loaded, empty if it must be."""
        if item.weight == 0:
            return "the spec gives it weight 0"
        if isinstance(match, str):
            return match
        names = self._target.encoding.names
        if not match_names(summary.parameters, names, item.rename).found:
            return f"0 of the {len(names)} tuned parameters known"
        if summary.trials < options.min_trials:
            return f"{summary.trials} trials, at least {options.min_trials} needed"
        return ""

    def _match(self, summary: StudySummary, options: MapOptions) -> MetricMatch | str:
        metric = self._target.metric
        return match_metric(
            summary.metrics,
            metric.name,
            metric.goal,
            options.renames,
            takes_unnamed=options.takes_unnamed,
        )

    def _map(self, summary: StudySummary, options: MapOptions) -> Mapped:
        metric = self._target.metric
        with_curves = self._target.stops_trials and self._with_curves < _MOST_CURVES
        self._with_curves += with_curves
        key = (summary.key, summary.version, metric.name, repr(options), with_curves)
        if key not in self._cache:
            study = self._load(summary.key, with_curves=with_curves)
            self._cache[key] = map_study(
                study, self._target.encoding, metric.name, metric.goal, options
            )
        return self._cache[key]

    def _load(self, key: str, *, with_curves: bool) -> HistoricStudy:
        study = self._store.load(key, curves=with_curves)
        if not with_curves and any(trial.state == "pruned" for trial in study.trials):
            study = self._store.load(key)
        return study

    def _receipt(self, choice: ChosenStudy, match: MetricMatch | str) -> SourceReceipt:
        summary, target = choice.summary, self._target
        named = match if isinstance(match, MetricMatch) else None
        return SourceReceipt(
            key=summary.key,
            kind=summary.kind,
            locator=summary.locator,
            metric=target.metric.name,
            metric_there=None if named is None else named.name,
            metric_note="" if named is None else named.note,
            listed=choice.is_listed,
            found_at=choice.found_at,
            same_data=_same(summary.data, target.data),
            same_code=_same(summary.code, target.code),
            finished=summary.finished,
            found=summary.trials,
            dropped={"left-out": summary.trials},
        )


def _filled(receipt: SourceReceipt, mapped: Mapped, weight: float) -> SourceReceipt:
    return replace(
        receipt,
        found=mapped.found,
        used=mapped.used,
        dropped=mapped.dropped,
        weight=0.0 if mapped.source is None else weight,
        parameters=mapped.notes,
        left_out=mapped.left_out,
    )


def _same(theirs: str | None, mine: str | None) -> bool:
    return mine is not None and theirs == mine
