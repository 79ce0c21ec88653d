"""Studies of other tools in a log directory: which trials belong together, and their tables."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tuner.board.best_trials.studies.foreign import Experiment, Foreign, Session, parent_of
from tuner.board.best_trials.studies.foreign_table import (
    Choice,
    make_table,
    metrics_of,
    session_row,
)
from tuner.board.best_trials.studies.own import OwnStudy
from tuner.board.best_trials.studies.own_run import RUN
from tuner.board.best_trials.table.model import Goal, Metric, Row, Table
from tuner.board.best_trials.table.values import finite

#: Maximum number of cached tables for chosen metrics, and of cached best values of curves.
_KEPT = 8
#: Seconds between checks of trials without an end, to see whether they have become quiet.
_LOOK_AGAIN_S = 60.0


class Others:
    """What other tools have logged. `refresh` is for one thread, everything else for any.

    Args:
        label: the name for trials that are not in a study.
    """

    def __init__(self, provider: Any, label: str) -> None:
        #: By name, ranked by the most likely metric.
        self.tables: Mapping[str, Table] = {}
        self.foreign = Foreign(provider, self._is_ours)
        self._label = label or "logs"
        self._version = 0
        self._made_at = 0.0
        self._own: frozenset[str] = frozenset()
        self._groups: Mapping[str, tuple[list[Session], list[Experiment]]] = {}
        self._lock = threading.Lock()
        self._chosen: dict[tuple[str, Choice, int], Table] = {}
        self._best: dict[tuple[str, str, Goal, int], Mapping[str, float]] = {}

    def refresh(self, studies: Sequence[OwnStudy]) -> None:
        """Look for changes.

        Args:
            studies: the studies of this service; what was logged in their folders becomes rows of
                them.

        Raises:
            Exception: whatever TensorBoard's provider raises.
        """
        before, self._own = self._own, frozenset(run for one in studies for run in one.known_runs())
        changed = self.foreign.refresh() or before != self._own
        if not changed and not self._is_stale():
            return
        self._version += 1
        self._made_at = time.monotonic()
        beside: dict[str, list[Session]] = {study.prefix: [] for study in studies}
        others: list[Session] = []
        for run, session in self.foreign.sessions.items():
            prefix = _prefix_of(run, beside)
            (others if prefix is None else beside[prefix]).append(session)
        for study in studies:
            study.show_beside(_rows_beside(study, beside[study.prefix]))
        groups = group_sessions(others, self.foreign.experiments, beside)
        self._groups = {name or self._label: group for name, group in groups.items()}
        self.tables = {name: self._make(name, Choice()) for name in self._groups}

    def table(self, study: str, choice: Choice) -> Table | None:
        """Return the table of a study, ranked by the choice; None: there is none."""
        if choice == Choice() or study not in self._groups:
            return self.tables.get(study)
        key = (study, choice, self._version)
        with self._lock:
            known = self._chosen.get(key)
            if known is None:
                known = self._chosen[key] = self._make(study, choice)
                while len(self._chosen) > _KEPT:
                    del self._chosen[next(iter(self._chosen))]
        return known

    def metrics(self, study: str) -> list[Metric]:
        """Return the metrics that a study's trials can be ranked by, most likely first."""
        group = self._groups.get(study)
        return [] if group is None else metrics_of(*group)[0]

    def _is_stale(self) -> bool:
        """Whether a trial that seemed to be running may have been quiet for too long by now."""
        if time.monotonic() - self._made_at < _LOOK_AGAIN_S:
            return False
        return any(session.status is None for session in self.foreign.sessions.values())

    def _is_ours(self, run: str) -> bool:
        """Whether a run is that of one of our trials, or below one."""
        while run != ".":
            if run in self._own:
                return True
            run = parent_of(run)
        return False

    def _make(self, name: str, choice: Choice) -> Table:
        sessions, experiments = self._groups[name]
        total, kept = self.foreign.total, len(self.foreign.sessions)
        notes = [f"Of {total} trials the first {kept} are shown."] if total > kept else []
        return make_table(
            name,
            sessions,
            experiments,
            choice,
            lambda metric, goal: self._best_values(name, sessions, metric, goal),
            self._version,
            notes,
        )

    def _best_values(
        self, study: str, sessions: Iterable[Session], metric: str, goal: Goal
    ) -> Mapping[str, float]:
        key = (study, metric, goal, self.foreign.version)
        known = self._best.get(key)
        if known is None:
            places = {s.run: s.series[metric] for s in sessions if metric in s.series}
            curves = self.foreign.read_curves(places.values())
            known = {}
            for run, place in places.items():
                values = [
                    v for p in curves.get(place, ()) if (v := finite(float(p.value))) is not None
                ]
                if values:
                    known[run] = max(values) if goal == "maximize" else min(values)
            self._best[key] = known
            while len(self._best) > _KEPT:
                del self._best[next(iter(self._best))]
        return known


def _prefix_of(run: str, prefixes: Mapping[str, Any]) -> str | None:
    """Return the prefix of the study whose folder contains a run; None: none does."""
    at = "" if run == "." else run
    while at:
        at = at.rpartition("/")[0]
        prefix = f"{at}/" if at else ""
        if prefix in prefixes:
            return prefix
    return None


def _rows_beside(study: OwnStudy, sessions: Iterable[Session]) -> list[Row]:
    """Return rows for runs in a study's folder that have none of its files."""
    rows = []
    name = study.table.metrics[0].name if study.table.metrics else "objective"
    for session in sessions:
        last = session.last.get("objective", session.last.get(name))
        row = session_row(session, finite(last))
        named = RUN.fullmatch(session.run.rpartition("/")[2])
        rows.append(replace(row, trial=int(named[1]) if named else None))
    return rows


def group_sessions(
    sessions: Sequence[Session], experiments: Sequence[Experiment], own: Mapping[str, Any]
) -> dict[str, tuple[list[Session], list[Experiment]]]:
    """Return the trials of each study, by the folder of its experiment record; "" for the others.

    A record in a trial's own run (as PyTorch's) does not make a study, and one for all trials no
    folder.
    """
    runs = {session.run for session in sessions}
    above = {parent_of(run) for run in runs}
    folders: dict[str, list[Experiment]] = {}
    for one in experiments:
        if one.run in runs:
            folders.setdefault(".", []).append(one)
        elif _prefix_of(one.run, own) is None:
            is_folder = one.run in above or any(run.startswith(f"{one.run}/") for run in runs)
            folders.setdefault(one.run if is_folder else parent_of(one.run), []).append(one)
    studies = [folder for folder in folders if folder != "."]
    if len(studies) < 2:
        every = [one for listed in folders.values() for one in listed]
        return {"": (list(sessions), every)} if sessions else {}
    found: dict[str, tuple[list[Session], list[Experiment]]] = {}
    for session in sessions:
        at = session.run
        while at != "." and at not in studies:
            at = parent_of(at)
        name = "" if at == "." else at
        found.setdefault(name, ([], folders.get(at, [])))[0].append(session)
    return found
