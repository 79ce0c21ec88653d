"""Imports paths and URLs into history: reads only what has changed, in bounded batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from tuner.documents.document import JsonObject
from tuner.documents.history import HistoryImport
from tuner.errors import SpecError
from tuner.history.import_report import ImportReport, StudyReport
from tuner.history.importers.folders import stamp_of
from tuner.history.importers.source import (
    FoundStudy,
    Refusals,
    import_key,
    is_read_otherwise,
)
from tuner.history.importers.targets import ImportTarget, locate, open_target
from tuner.history.store.cleaning import MAX_RUNS
from tuner.history.store.imported import Facts, ImportedRun, Ingest, Options
from tuner.history.store.records import Rejection
from tuner.registry import IMPORTERS

#: Rises when the importers read the same files differently, so that they are read again.
_VERSION = 4
#: Approximate size of a batch in bytes: the server accepts bodies of some megabytes.
_BATCH_BYTES = 1 << 20
_BATCH_RUNS = 2000


class Progress(Protocol):
    """Receives the progress of an import."""

    def found(self, runs: int) -> None:
        """Called with a number of further runs that have to be read."""

    def read(self, runs: int) -> None:
        """Called with a number of further runs that were read."""


class Importer:
    """Imports paths and URLs into a history.

    Args:
        options: the user's options on the metric; None: as for the last import of the path.
        progress: receives the progress.
        log_root: that of the service, if known; what trials may have left there is not trusted.
    """

    def __init__(
        self,
        ingest: Ingest,
        options: Options | None,
        progress: Progress,
        *,
        log_root: Path | None = None,
    ) -> None:
        self._ingest = ingest
        self._options = options
        self._progress = progress
        self._log_root = log_root

    def add(self, given: str) -> ImportReport:
        """Import a path or URL; what cannot be used is recorded with its reason.

        Raises:
            SpecError: there is no such path, or it is not the URL of a database.
            NotFoundError: the database has no study of that name.
            UnavailableError: the history, or a database, cannot be reached.
        """
        refusals = Refusals()
        known = {entry["key"]: entry for entry in self._ingest.history_imports()}
        locator = locate(given)
        try:
            with open_target(given, refusals, log_root=self._log_root) as target:
                return self._add(target, known, refusals)
        except SpecError as exc:
            refusals(Rejection(path=locator, reason=str(exc).removeprefix(f"{locator}: ")))
            report = ImportReport(locator=locator)
            self._note(report, self._options or Options(), "", refusals)
            return report

    def _add(
        self, target: ImportTarget, known: Mapping[str, HistoryImport], refusals: Refusals
    ) -> ImportReport:
        before = known.get(import_key("none", target.locator))
        options = self._options
        if options is None:
            options = Options() if before is None else Options.from_json(before["options"])
        report = ImportReport(locator=target.locator)
        stamp = stamp_of((_VERSION, target.stamp, options))
        if before is not None and before["stamp"] == stamp:
            totals = before["totals"]
            report.unchanged, report.rejected = totals["runs"], totals["rejected"]
            report.is_unchanged = True
            return report
        studies = target.studies(refusals)
        for study in studies:
            try:
                report.add(self._add_study(study, known, options))
            except SpecError as exc:
                reason = str(exc).removeprefix(f"{study.locator}: ")
                refusals(Rejection(path=study.locator, reason=reason))
        if not report.found and not refusals.count:
            problems = "".join(f"; {problem}" for problem in IMPORTERS.problems())
            what = "no trials" if studies else f"no runs of a known kind{problems}"
            refusals(Rejection(path=target.locator, reason=f"holds {what}"))
        self._note(report, options, stamp, refusals)
        return report

    def _note(self, report: ImportReport, options: Options, stamp: str, refusals: Refusals) -> None:
        """Record a path with what was found in it and belongs to no study."""
        report.rejected += refusals.count
        totals = {"runs": report.imported + report.unchanged, "rejected": report.rejected}
        key = import_key("none", report.locator)
        number = self._ingest.history_begin(key, "none", report.locator)["number"]
        facts = Facts(options=options.to_json(), totals=totals)
        self._ingest.history_finish(number, _document(stamp, facts, refusals, own=0, replace=True))
        report.refused = refusals.first()

    def _add_study(
        self, study: FoundStudy, known: Mapping[str, HistoryImport], options: Options
    ) -> StudyReport:
        key = import_key(study.kind, study.locator)
        report = StudyReport(key=key, kind=study.kind, locator=study.locator)
        before = known.get(key)
        stamps = study.stamps()
        stamp = stamp_of((_VERSION, options, sorted(stamps.items())))
        if before is not None and before["stamp"] == stamp and not study.whole:
            report.rejected = before["rejected"]
            there = self._ingest.history_runs(key)
            beside = sum(run not in stamps and _owner(run) in stamps for run in there)
            report.unchanged = len(stamps) - report.rejected + beside
            return report
        refusals = Refusals()
        keys = sorted(stamps)
        for run in keys[MAX_RUNS:]:
            path, reason = f"{study.locator}, {run}", f"beyond the first {MAX_RUNS} runs"
            refusals(Rejection(path=path, reason=reason))
        # Other options give other values for the same files.
        is_same = before is not None and before["options"] == options.to_json()
        there = self._ingest.history_runs(key) if is_same and not study.whole else {}
        changed = [run for run in keys[:MAX_RUNS] if there.get(run) != stamps[run]]
        report.unchanged = min(len(keys), MAX_RUNS) - len(changed) + _beside(there, stamps)
        again = sum(is_read_otherwise(there.get(run), stamps[run]) for run in changed)
        self._transfer(study, changed, options, stamp, refusals, report, there)
        # What has changed since does not count as corrected.
        report.corrected = min(report.corrected, again + len(there.keys() & set(study.gone)))
        return report

    def _transfer(
        self,
        study: FoundStudy,
        keys: list[str],
        options: Options,
        stamp: str,
        refusals: Refusals,
        report: StudyReport,
        there: Mapping[str, str],
    ) -> None:
        """Read runs and put them in place; `there`: the stamps of earlier imports."""
        self._progress.found(len(keys))
        number = self._ingest.history_begin(report.key, study.kind, study.locator)["number"]
        for batch in _batches(self._runs(study.read(keys, options), refusals)):
            answer = self._ingest.history_put(number, batch)
            report.imported += answer["kept"]
            report.own += answer["own"]
        # Those that only continue others were read, too.
        self._progress.read(max(len(keys) - report.imported - report.own - refusals.count, 0))
        facts = study.facts(options)
        # If all earlier runs occur again, everything known about the study is replaced as well.
        is_all = bool(there) and there.keys() <= {*keys, *study.gone} and not refusals.count
        document = _document(stamp, facts, refusals, own=report.own, replace=study.whole or is_all)
        if study.gone:
            document["gone"] = sorted(study.gone)[:MAX_RUNS]
        done = self._ingest.history_finish(number, document)
        # A service of an earlier release does not return it.
        report.corrected = done.get("changed", 0)
        report.rejected = refusals.count
        report.refused = refusals.first()
        report.unchanged += report.own
        report.notes = list(facts.notes)
        report.same_as = done["same_as"]
        if report.same_as is not None:
            report.imported, report.unchanged = 0, report.unchanged + report.imported

    def _runs(
        self, found: Iterable[ImportedRun | Rejection], refusals: Refusals
    ) -> Iterator[ImportedRun]:
        for item in found:
            if isinstance(item, Rejection):
                refusals(item)
            else:
                yield item
            self._progress.read(1)


def _beside(there: Mapping[str, str], stamps: Mapping[str, str]) -> int:
    """Return how many existing runs share the stamp of another one, which is unchanged."""
    beside = ((_owner(run), stamp) for run, stamp in there.items() if run not in stamps)
    return sum(stamps.get(owner) == stamp == there.get(owner) for owner, stamp in beside)


def _owner(run: str) -> str:
    """Return the key of the first run of a folder that was used more than once."""
    return run.rpartition("#")[0]


def _document(
    stamp: str, facts: Facts, refusals: Refusals, *, own: int, replace: bool
) -> JsonObject:
    return {
        "stamp": stamp,
        "facts": facts.to_json(),
        "rejected": refusals.lines(),
        "own": own,
        "replace": replace,
    }


def _batches(runs: Iterable[ImportedRun]) -> Iterator[list[JsonObject]]:
    """Yield the runs in lists that make requests of moderate size."""
    batch: list[JsonObject] = []
    size = 0
    for run in runs:
        batch.append(run.to_document())
        size += _size(run)
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_RUNS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _size(run: ImportedRun) -> int:
    """Return the approximate size of a run's document in bytes."""
    trial = run.trial
    texts = sum(len(str(value)) for value in trial.params.values())
    points = sum(map(len, trial.curves.values()))
    names = len(trial.params) + 2 * len(trial.metrics) + len(trial.curves)
    return 300 + texts + 30 * points + 40 * names
