"""The runs of one file or folder as a plugin's importer returns them, checked and bounded."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from tuner.history.store.cleaning import (
    MAX_METRICS,
    MAX_PARAMETERS,
    MAX_RUNS,
    clean_curves,
    clean_key,
    clean_metrics,
    clean_params,
    clean_text,
    clean_time,
)
from tuner.history.store.imported import STATES, Facts, ImportedRun, ImportKind, Options
from tuner.history.store.records import Goal, HistoricTrial, Rejection

#: What such an importer yields.
Item = HistoricTrial | Rejection | Facts
#: Maximum number of a study's notes.
_MAX_NOTES = 20
_MAX_CAUSE = 16


class PluginStudy:
    """A file or a folder; always imported as a whole.

    Args:
        title: the importer's name in messages.
        path: absolute path of the file or folder.
        items: its content, read once.
    """

    whole = True
    gone: frozenset[str] = frozenset()

    def __init__(
        self, kind: ImportKind, title: str, path: str, stamp: str, items: Iterator[Item]
    ) -> None:
        self.kind = kind
        self.locator = path
        self._title = title
        self._stamp = stamp
        self._items = items
        self._goals: dict[str, Goal | None] = {}
        self._metrics: dict[str, None] = {}
        self._parameters: dict[str, None] = {}
        self._notes: list[str] = []

    def stamps(self) -> Mapping[str, str]:
        """See `FoundStudy`."""
        return {}

    def read(self, keys: Iterable[str], options: Options) -> Iterator[ImportedRun | Rejection]:
        """See `FoundStudy`."""
        del keys, options
        seen: set[str] = set()
        for number, item in enumerate(self._all(), start=1):
            if number > MAX_RUNS:
                yield self._rejection(f"what lies beyond the first {MAX_RUNS} runs is left out")
                return
            if isinstance(item, Rejection):
                where, why = clean_text(str(item.path)), clean_text(str(item.reason))
                yield Rejection(path=where, reason=why)
                continue
            run = self._run(item)
            if isinstance(run, ImportedRun) and run.trial.key in seen:
                yield self._rejection(f"run {number}: there was one with the same key before")
            elif isinstance(run, ImportedRun):
                seen.add(run.trial.key)
                yield run
            elif run:
                yield self._rejection(f"run {number}: {run}")

    def facts(self, options: Options) -> Facts:
        """See `FoundStudy`."""
        goals = options.by_name
        names = dict.fromkeys([*options.metrics, *self._goals, *self._metrics])
        return Facts(
            metrics={
                name: goals.get(name) or self._goals.get(name) for name in list(names)[:MAX_METRICS]
            },
            parameters=list(self._parameters),
            notes=self._notes,
            options=options.to_json(),
        )

    def _all(self) -> Iterator[object]:
        """Yield what the importer yields; if it fails, report that and stop."""
        count = 0
        while True:
            try:
                item = next(self._items)
            except StopIteration:
                return
            # A plugin's error ends its own import, and nothing else.
            except Exception as exc:  # noqa: BLE001
                what = f"{self._title} failed after {count} runs: {said_of(exc)}"
                yield self._rejection(clean_text(what, 300))
                return
            count += isinstance(item, HistoricTrial)
            yield item

    def _run(self, item: object) -> ImportedRun | str:
        """Return a run, or why it is none; empty: it was a `Facts` about all runs."""
        if isinstance(item, Facts):
            self._take(item)
            return ""
        if not isinstance(item, HistoricTrial):
            return f"{self._title} gives a {type(item).__name__}, not a HistoricTrial"
        try:
            run = self._clean(item)
        # A plugin may have put anything into its fields.
        except (AttributeError, TypeError, ValueError) as exc:
            return clean_text(f"cannot be read: {type(exc).__name__}: {exc}", 200)
        room = MAX_PARAMETERS - len(self._parameters)
        fresh = [name for name in run.trial.params if name not in self._parameters]
        self._parameters |= dict.fromkeys(fresh[: max(room, 0)])
        if len(self._metrics) < MAX_METRICS:
            self._metrics |= dict.fromkeys(run.trial.metrics)
        return run

    def _clean(self, trial: HistoricTrial) -> ImportedRun:
        if not isinstance(trial.key, str) or not trial.key:
            raise ValueError("a key is a text of at least one character")
        if trial.state not in STATES:
            raise ValueError(f"state {trial.state!r}: must be one of {', '.join(STATES)}")
        now = time.time()
        cause: Any = trial.cause
        return ImportedRun(
            trial=HistoricTrial(
                key=clean_key(trial.key),
                params=clean_params(trial.params),
                metrics=clean_metrics(trial.metrics),
                curves=clean_curves(trial.curves),
                state=trial.state,
                cause=None if cause is None else clean_text(str(cause), _MAX_CAUSE),
                started=clean_time(trial.started, now),
                finished=clean_time(trial.finished, now),
            ),
            stamp=self._stamp,
        )

    def _take(self, facts: Facts) -> None:
        """Add the goals and notes that an importer states for all runs."""
        known = (*get_args(Goal), None)
        for name, goal in list(facts.metrics.items())[:MAX_METRICS]:
            self._goals[clean_text(str(name), 200)] = goal if goal in known else None
        self._notes += [clean_text(str(note)) for note in list(facts.notes)[:_MAX_NOTES]]
        del self._notes[_MAX_NOTES:]

    def _rejection(self, reason: str) -> Rejection:
        return Rejection(path=self.locator, reason=reason)


def said_of(exc: Exception) -> str:
    """Return the message of an exception; for a file that cannot be read, which one and why."""
    if isinstance(exc, OSError) and exc.filename and exc.strerror:
        return f"{exc.filename}: {exc.strerror}"
    return f"{type(exc).__name__}: {exc}"
