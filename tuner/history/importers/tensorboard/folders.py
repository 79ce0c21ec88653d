"""Any TensorBoard folder with hyperparameters, whatever tool wrote it.

A run that contains a session start is a trial; runs below it (Keras' train/ and validation/) belong
to it, and their tags become `validation/epoch_loss`. `add_hparams` of PyTorch and tensorboardX
creates a separate run, named by the time, below the one with the curves: the curves are taken from
there, unless several such runs share it. A folder in which several sessions start holds one run for
each (`restarts.py`): the first has the folder's name, the second `name#2`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from tuner.history.importers.declared import Declared, read_experiment
from tuner.history.importers.folders import ScannedFolder, files_stamp, parent_of, stamp_of
from tuner.history.importers.kerastuner.logs import settle
from tuner.history.importers.source import newer_stamp
from tuner.history.importers.tensorboard.restarts import (
    Loose,
    Use,
    Writer,
    join,
    split_uses,
    starts,
)
from tuner.history.importers.tensorboard.sessions import MOST_BYTES, LoggedSession, sort_runs
from tuner.history.store.cleaning import (
    clean_curves,
    clean_key,
    clean_metrics,
    clean_params,
    clean_time,
    finite,
    last_or_best,
)
from tuner.history.store.imported import Facts, ImportedRun, ImportKind, Options
from tuner.history.store.records import HistoricTrial, Rejection, State
from tuner.tfevents.reader import (
    HParam,
    RunEvents,
    ScalarPoint,
    Segment,
    read_segments,
)


class TensorBoardStudy:
    """The runs that are next to each other in one folder."""

    kind: ImportKind = "hparams"
    whole = False

    def __init__(self, path: str) -> None:
        self.locator = path
        self.experiments: list[ScannedFolder] = []
        self._sessions: dict[str, LoggedSession] = {}
        self._metrics: dict[str, None] = {}
        self._parameters: dict[str, None] = {}
        self._declared: Declared | None = None
        self._unread = set[str]()
        self._damaged = 0
        #: Number of folders in which several sessions start, and of runs in them.
        self._shared = self._shared_runs = 0
        self.gone: set[str] = set()
        self._notes: list[str] = []

    def add(self, session: LoggedSession) -> None:
        """Add a session to the study."""
        relative = session.start.path[len(self.locator) :].lstrip("/")
        self._sessions[clean_key(relative)] = session

    def stamps(self) -> Mapping[str, str]:
        """See `FoundStudy`."""
        return {key: self._stamp(session) for key, session in self._sessions.items()}

    def read(self, keys: Iterable[str], options: Options) -> Iterator[ImportedRun | Rejection]:
        """See `FoundStudy`."""
        found = self._read_all(keys, options)
        if not self._is_searched:
            yield from found
            return
        runs: list[ImportedRun] = []
        for item in found:
            if isinstance(item, Rejection):
                yield item
            else:
                runs.append(item)
        settled = settle(runs)
        self.gone |= settled.copies
        self._notes = settled.notes
        yield from settled.runs

    @cached_property
    def _is_searched(self) -> bool:
        """Whether all runs are KerasTuner's, where one may continue another."""
        return all(session.is_execution for session in self._sessions.values())

    @cached_property
    def _all_stamps(self) -> str:
        return stamp_of(files_stamp(session.folders()) for session in self._sessions.values())

    def _stamp(self, session: LoggedSession) -> str:
        stamp = newer_stamp(files_stamp(session.folders()))
        # What a run counts as depends on the others there.
        return f"{stamp}+{self._all_stamps}" if self._is_searched else stamp

    def _read_all(self, keys: Iterable[str], options: Options) -> Iterator[ImportedRun | Rejection]:
        self._unread = set(self._sessions)
        self._read_experiments()
        for key in keys:
            session = self._sessions[key]
            self._unread.discard(key)
            try:
                yield from self._read(key, session, options)
            except ValueError as exc:
                yield Rejection(path=session.start.path, reason=str(exc))
            except OSError as exc:
                reason = f"cannot be read: {exc.strerror or exc}"
                yield Rejection(path=session.start.path, reason=reason)

    def facts(self, options: Options) -> Facts:
        """See `FoundStudy`."""
        declared = self._declared or Declared()
        goals = options.by_name
        # Options come first, then declarations, then what else was found.
        names = dict.fromkeys([*goals, *declared.metrics, *self._metrics])
        known = {n: goals.get(n) for n in names if n in goals or n in self._metrics}
        space = declared.space
        notes = [*declared.notes, *self._notes]
        if not self._unread:
            missing = [name for name in goals if name not in self._metrics]
            notes += [f"no run has a metric {name!r}" for name in missing]
        if self._damaged:
            notes.append(f"{self._damaged} event files end in a damaged record")
        if self._shared:
            what = "folder was" if self._shared == 1 else "folders were"
            held = f"{self._shared_runs} runs, one for each start"
            notes.append(f"{self._shared} {what} used more than once: {held}")
        return Facts(
            metrics=known,
            parameters=list(self._parameters),
            space=None if space is None else space.to_json(),
            notes=notes,
            options=options.to_json(),
        )

    def _read_experiments(self) -> None:
        for folder in self.experiments:
            # A damaged file, or one that has disappeared, declares nothing.
            with contextlib.suppress(OSError):
                self._take_experiment(self._events(folder))

    def _read(
        self, key: str, session: LoggedSession, options: Options
    ) -> Iterator[ImportedRun | Rejection]:
        """Yield the runs of a session's folder: one, unless several sessions start in it."""
        segments = self._segments(session.start)
        found = starts(segments)
        if not found:
            raise ValueError("is damaged before its hyperparameters")
        if found == 1:
            events = join(segments)
            self._take_experiment(events)
            yield self._run(key, session, events, self._scalars(session, events), options)
            return
        uses = split_uses(segments, [*self._loose(session)])
        self._shared += len(uses) > 1
        self._shared_runs += len(uses) if len(uses) > 1 else 0
        for number, use in enumerate(uses, start=1):
            self._take_experiment(use.events)
            name = key if number == 1 else clean_key(f"{key}#{number}")
            where = f"{session.start.path}, start {number} of {len(uses)}"
            try:
                if use.unclear and not use.scalars:
                    raise ValueError(_unclear(use))
                yield self._run(name, session, use.events, use.scalars, options)
            except ValueError as exc:
                self.gone.add(name)
                yield Rejection(path=where, reason=str(exc))

    def _run(
        self,
        key: str,
        session: LoggedSession,
        start: RunEvents,
        scalars: Mapping[str, list[ScalarPoint]],
        options: Options,
    ) -> ImportedRun:
        points = {name: [p[:2] for p in found] for name, found in scalars.items()}
        curves = clean_curves(points)
        metrics = _metrics(scalars, curves, options)
        is_open = start["status"] not in ("success", "failure")
        state: State = "fail" if start["status"] == "failure" else "complete"
        cause = None
        if not metrics and state == "complete":
            if not scalars:
                raise ValueError("holds hyperparameters and no metric")
            state, cause, is_open = "fail", "diverged", False
        self._metrics |= dict.fromkeys(metrics)
        params = clean_params({k: _plain(v) for k, v in (start["hparams"] or {}).items()})
        self._parameters |= dict.fromkeys(params)
        times = [point[2] for found in scalars.values() for point in (found[0], found[-1])]
        now = time.time()
        return ImportedRun(
            trial=HistoricTrial(
                key=key,
                params=params,
                metrics=clean_metrics(metrics),
                # A single point says no more than the metric; some tools write the trial's number
                # as its step.
                curves={n: c for n, c in curves.items() if len(c) > 1 or self._is_searched},
                state="running" if is_open else state,
                cause=cause,
                started=clean_time(start["start"] or min(times, default=None), now),
                finished=clean_time(start["end"] or max(times, default=None), now),
            ),
            stamp=self._stamp(session),
            is_open=is_open,
        )

    def _scalars(self, session: LoggedSession, start: RunEvents) -> dict[str, list[ScalarPoint]]:
        """Return the points of all curves of a trial, by name."""
        found = dict(start["scalars"])
        for part in session.parts:
            prefix = _prefix(session, part)
            for tag, points in self._events(part)["scalars"].items():
                found[f"{prefix}/{tag}"] = points
        if session.above is not None:
            for tag, points in self._events(session.above)["scalars"].items():
                found.setdefault(tag, points)
        return found

    def _loose(self, session: LoggedSession) -> Iterator[Loose]:
        """Yield the files of the runs below a session's, each with its curves."""
        for part in session.parts:
            prefix = _prefix(session, part)
            for piece in self._segments(part):
                scalars = {f"{prefix}/{k}": v for k, v in piece.events["scalars"].items()}
                name = f"{prefix}/{piece.path.name}"
                yield Loose(name=name, writer=Writer.of(piece.path), scalars=scalars)

    def _segments(self, folder: ScannedFolder) -> list[Segment]:
        damaged: set[Path] = set()
        found = read_segments(
            # Sorted as numbers: by name alone, the tenth file of a second would precede the ninth.
            folder.open_events(order=lambda name: Writer.of(Path(name)).place),
            damaged=lambda path, _at: damaged.add(path),
            most=MOST_BYTES,
        )
        self._damaged += len(damaged)
        return found

    def _events(self, folder: ScannedFolder) -> RunEvents:
        return join(self._segments(folder))

    def _take_experiment(self, events: RunEvents) -> None:
        # The first one is used: some tools write one for every trial.
        if self._declared is None and events["experiment"] is not None:
            self._declared = read_experiment(events["experiment"])


def find_studies(
    folders: Iterable[ScannedFolder], refuse: Callable[[Rejection], None]
) -> list[TensorBoardStudy]:
    """Return the studies in some folders with event files.

    Args:
        folders: parents before their subfolders.
        refuse: called for runs that belong to no trial, with the reason.
    """
    runs = sort_runs(folders, refuse)
    studies: dict[str, TensorBoardStudy] = {}
    for session in runs.sessions:
        path = parent_of(session.trial_dir)
        studies.setdefault(path, TensorBoardStudy(path)).add(session)
    for folder in runs.experiments:
        if folder.path in studies:
            studies[folder.path].experiments.append(folder)
    return list(studies.values())


def _metrics(
    scalars: Mapping[str, list[ScalarPoint]],
    curves: Mapping[str, tuple[tuple[int, float], ...]],
    options: Options,
) -> dict[str, float]:
    """Return the last value of every curve, or the best one if the options say so."""
    goals = options.by_name
    metrics: dict[str, float] = {}
    for name, points in scalars.items():
        last = finite(points[-1][1])
        if name in curves and name in goals and options.reduce == "best":
            metrics[name] = last_or_best(curves[name], goals[name])
        elif last is not None:
            metrics[name] = last
    return metrics


def _prefix(session: LoggedSession, part: ScannedFolder) -> str:
    return part.path[len(session.start.path) :].strip("/")


def _unclear(use: Use) -> str:
    more = len(use.unclear) - 1
    files = use.unclear[0] + (f" and {more} more files" if more else "")
    return f"its folder was used more than once, and which start {files} belongs to is not known"


def _plain(value: HParam) -> HParam | int:
    """Return a whole number as an int: event files have only floats."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value
