"""A study of this service, as its folder in the log root shows it, kept up to date.

Not thread-safe. A request gets the latest complete table.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeGuard

from tuner.board.best_trials.studies.own_run import MOST_BYTES as MOST_RUN_BYTES
from tuner.board.best_trials.studies.own_run import RUN, OwnRun, read_own_run
from tuner.board.best_trials.table.columns import describe, seen
from tuner.board.best_trials.table.model import Goal, Metric, Row, Table
from tuner.board.best_trials.table.ranking import rank
from tuner.board.best_trials.table.values import finite, short
from tuner.roots import Folder, Place
from tuner.tfevents import read_json

if TYPE_CHECKING:
    from tuner.documents.study import CountWord
    from tuner.documents.study_folder.found import (
        HistorySayKey,
        ImportanceKey,
        InsightsKey,
        MethodKey,
        MethodName,
        MethodShareKey,
        MetricKey,
        SummaryKey,
    )

STUDY_RUN = "_study"
#: Maximum number of runs of one study that are read, and size of its own files in bytes.
MOST_RUNS = 100_000
MOST_BYTES = 16 << 20
#: Maximum number of runs whose `config.json` is read to find out what the study is.
_MOST_CONFIGS = 20
#: Number of runs in the first table of a study that is being loaded.
_FIRST_SHOWN = 250
#: Number of ended runs that are checked again in each round: a retry may make another the outcome.
_AGAIN = 200
#: A folder that changed this recently may change again within the same tick of its clock.
_SETTLED_NS = 2 * 10**9

#: Distinguishes one content of a file from another.
_Mark = tuple[int, int, int]


@dataclass
class _Seen:
    """One run. Mutable while it continues."""

    trial: int
    attempt: int
    mark: _Mark | None = None
    found: OwnRun | None = None


class OwnStudy:
    """One study. Mutable: `refresh` updates it.

    Args:
        name: "project/study".
        prefix: of its runs' paths below the log directory; empty, or with a trailing slash.
    """

    def __init__(self, place: Place, name: str, prefix: str) -> None:
        self.name = name
        self.place = place
        self.table = Table(study=name, source="tuner")
        self._beside: list[Row] = []
        #: Number of runs that were read since the start, and number of all runs.
        self.loaded = self.total = 0
        self.prefix = prefix
        self._runs: dict[str, _Seen] = {}
        self._listed_ns: int | None = None
        self._marks: dict[str, _Mark | None] = {}
        self._files: dict[str, Mapping[Any, Any]] = {"study.json": {}, "insights.json": {}}
        self._at = 0
        #: What a run says about its study, for a release that wrote no `study.json`.
        self._config: Mapping[str, Any] = {}

    @property
    def insights(self) -> Mapping[InsightsKey, Any]:
        """The content of `insights.json`; empty if there is none."""
        return self._files["insights.json"]

    @property
    def is_known(self) -> bool:
        """Whether anything in the folder shows that it is a study of this service."""
        return bool(self._files["study.json"]) or any(run.found for run in self._runs.values())

    def known_runs(self) -> Iterator[str]:
        """Yield the runs that have files of this service, as paths below the log directory."""
        return (self.prefix + name for name, run in self._runs.items() if run.found is not None)

    def show_beside(self, rows: Sequence[Row]) -> None:
        """Also show trials that are known only from event files.

        Args:
            rows: with their number, or without one if another trial has it.
        """
        if list(rows) != self._beside:
            self._beside = list(rows)
            self.table = self._make()

    def refresh(self) -> Iterator[None]:
        """Look for changes; every step of the iteration takes some milliseconds at most.

        Raises:
            OSError: the study's folder is gone, or cannot be read.
        """
        changed = False
        with self.place.open() as folder:
            self._list(folder)
            changed |= self._read_files(folder)
            if not self._files["study.json"] and not self._config:
                self._config = self._find_config(folder)
                changed |= bool(self._config)
            shown_at = _FIRST_SHOWN
            for number, name in enumerate(self._due(), 1):
                changed |= self._look(folder, name)
                if number == shown_at and changed:
                    # What is known so far; all of these together take the time of two.
                    self.table = self._make()
                    shown_at *= 2
                if number % 20 == 0:
                    yield
        if changed or not self.table.version:
            self.table = self._make()
        yield

    def _list(self, folder: Folder) -> None:
        """Read which runs exist."""
        changed_ns = os.fstat(folder.fileno()).st_mtime_ns
        if changed_ns == self._listed_ns:
            return
        found: dict[str, _Seen] = {}
        for entry in folder.entries():
            named = RUN.fullmatch(entry.name) if entry.kind == "folder" else None
            if named is not None and len(found) < MOST_RUNS:
                known = self._runs.get(entry.name)
                found[entry.name] = known or _Seen(int(named[1]), int(named[2] or 1))
        self._runs = found
        self.total = len(found)
        settled = time.time_ns() - changed_ns > _SETTLED_NS
        self._listed_ns = changed_ns if settled else None

    def _due(self) -> list[str]:
        """Return the runs to check: those that have not ended, and some of the others."""
        due: list[str] = []
        ended: list[str] = []
        for name, run in self._runs.items():
            (ended if run.found is not None and run.found.is_ended else due).append(name)
        again = ended[self._at : self._at + _AGAIN]
        self._at = 0 if self._at + _AGAIN >= len(ended) else self._at + _AGAIN
        return due + again

    def _look(self, folder: Folder, name: str) -> bool:
        """Check a run; return whether anything has changed."""
        run = self._runs.get(name)
        if run is None:
            return False
        try:
            with folder.folder(name) as inner:
                mark = _mark(inner, "trial.json") or _mark(inner, "config.json")
                if mark is None or mark == run.mark:
                    return False
                run.mark = mark
                run.found = read_own_run(inner, self.prefix + name, run.trial, run.attempt)
        except OSError:
            return False  # gone, or what stands there is no run
        finally:
            self.loaded = min(self.loaded + 1, self.total)
        return run.found is not None

    def _read_files(self, folder: Folder) -> bool:
        """Read the study's own files if they have changed."""
        changed = False
        try:
            with folder.folder(STUDY_RUN) as inner:
                for name in self._files:
                    mark = _mark(inner, name)
                    if mark == self._marks.get(name):
                        continue
                    found = read_json(inner, name, most=MOST_BYTES)
                    self._files[name] = found if isinstance(found, dict) else {}
                    self._marks[name] = mark
                    changed = True
        except OSError:
            return changed  # it comes with the first trial
        return changed

    def _find_config(self, folder: Folder) -> Mapping[str, Any]:
        for name in list(self._runs)[:_MOST_CONFIGS]:
            with contextlib.suppress(OSError), folder.folder(name) as inner:
                found = read_json(inner, "config.json", most=MOST_RUN_BYTES)
                if isinstance(found, dict) and _metrics(found.get("metrics")):
                    return found
        return {}

    def _rows(self, runs: Sequence[OwnRun]) -> list[Row]:
        rows = _outcomes(runs)
        taken = {row.trial for row in rows}
        return [*rows, *(row for row in self._beside if row.trial not in taken)]

    def _make(self) -> Table:
        summary: Mapping[SummaryKey, Any] = self._files["study.json"]
        runs = [run.found for run in self._runs.values() if run.found is not None]
        metrics = _metrics(summary.get("metrics")) or _metrics(self._config.get("metrics"))
        proposed = _proposed(self.insights.get("history"))
        rows = [
            replace(row, history=True) if row.trial in proposed else row for row in self._rows(runs)
        ]
        distributions = self._config.get("distributions")
        declared = describe(
            summary.get("parameters"), distributions if isinstance(distributions, dict) else {}
        )
        return Table(
            study=self.name,
            source="tuner",
            state=short(summary.get("state")),
            metrics=metrics,
            columns=seen(rows, declared, _order(summary, self.insights)),
            rows=rank(rows, metrics),
            version=self.table.version + 1,
            updated=short(summary.get("updated")),
            waiting=_waiting(summary.get("counts")),
            notes=[short(summary.get("reason"))] if summary.get("reason") else [],
        )


def _mark(folder: Folder, name: str) -> _Mark | None:
    found = folder.stat(name)
    return None if found is None else (found.st_ino, found.st_mtime_ns, found.st_size)


def _outcomes(runs: Sequence[OwnRun]) -> list[Row]:
    """Return a row for each trial: that of its outcome, else of its newest attempt."""
    best: dict[int | None, OwnRun] = {}
    for run in runs:
        known = best.get(run.row.trial)
        if known is None or (run.is_outcome, run.attempt) > (known.is_outcome, known.attempt):
            best[run.row.trial] = run
    return [
        replace(run.row, attempts=run.attempt) if run.attempt > run.row.attempts else run.row
        for run in best.values()
    ]


def _metrics(found: object) -> tuple[Metric, ...]:
    if not isinstance(found, list):
        return ()
    metrics = []
    one: Mapping[MetricKey, Any]
    for one in filter(_is_mapping, found[:10]):
        if isinstance(one.get("name"), str):
            goal: Goal = "minimize" if one.get("goal") == "minimize" else "maximize"
            metrics.append(Metric(name=short(one["name"]), goal=goal))
    return tuple(metrics)


def _waiting(found: object) -> int:
    counts: Mapping[CountWord, Any] = _mapping(found)
    number = counts.get("waiting")
    return number if type(number) is int and 0 <= number < 10**6 else 0


def _proposed(found: object) -> set[int]:
    if not isinstance(found, list):
        return set()
    says: Iterator[Mapping[HistorySayKey, Any]] = filter(_is_mapping, found)
    return {
        one["trial"]
        for one in says
        if one.get("proposed_by_history") is True and isinstance(one.get("trial"), int)
    }


def _order(
    summary: Mapping[SummaryKey, Any], insights: Mapping[InsightsKey, Any]
) -> Mapping[str, float | None]:
    """Return parameters in order, with the share of each if it is known."""
    shares: dict[str, float | None] = {}
    importance: Mapping[ImportanceKey, Any] = _mapping(insights.get("importance"))
    methods: Mapping[MethodName, Any] = _mapping(importance.get("methods"))
    main: Mapping[MethodKey, Any] = _mapping(methods.get("main_effects"))
    listed = main.get("parameters")
    one: Mapping[MethodShareKey, Any]
    for one in filter(_is_mapping, listed if isinstance(listed, list) else ()):
        if isinstance(one.get("name"), str):
            shares[one["name"]] = finite(one.get("share"))
    order = summary.get("order")
    for name in order if isinstance(order, list) else ():
        if isinstance(name, str):
            shares.setdefault(name, None)
    return shares


def _mapping(found: object) -> Mapping[Any, Any]:
    """Return a mapping as it is, and an empty one for anything else."""
    return found if isinstance(found, Mapping) else {}


def _is_mapping(found: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(found, Mapping)
