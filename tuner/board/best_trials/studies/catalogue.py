"""Which studies a log directory contains: found, loaded and updated by one thread.

A request gets what is known so far and never waits for a disk.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tuner.board.best_trials.studies.own import STUDY_RUN, OwnStudy
from tuner.board.best_trials.studies.own_run import RUN
from tuner.board.best_trials.table.model import Table
from tuner.roots import Folder, Place

_log = logging.getLogger(__name__)

#: Maximum number of studies shown, and of folders searched for them.
MOST_STUDIES, MOST_FOLDERS = 2_000, 20_000
#: Maximum depth of a study's folder below the log directory: project, study.
_DEPTH = 2
#: Seconds between two rounds, the factor that limits rounds to a quarter of the time, and seconds
#: between searches for studies.
_EVERY_S, _SHARE, _FIND_EVERY_S = 1.0, 3, 5.0
#: Maximum seconds between rounds: a new result must appear within five seconds, even after a long
#: round.
_AT_MOST_S = 1.5
#: Seconds of work after which other threads get their turn.
_YIELD_S = 0.002


class OtherRuns(Protocol):
    """Runs that do not belong to this service; see `others`."""

    tables: Mapping[str, Table]

    def refresh(self, studies: Sequence[OwnStudy]) -> None:
        """Look for changes other than in the studies of this service."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The progress of loading.

    Attributes:
        loading: whether something has not been read yet.
        loaded: number of runs that have been read.
        total: number of all runs, as far as known.
        problem: why the log directory cannot be read; empty: it can.
    """

    loading: bool
    loaded: int
    total: int
    problem: str = ""


class Catalogue:
    """The studies of a log directory. Thread-safe.

    Args:
        others: shows what else is in it; None: nothing.
    """

    def __init__(self, base: Place, others: OtherRuns | None = None) -> None:
        self._base = base
        self._others = others
        self._studies: dict[str, OwnStudy] = {}
        self._is_complete = False
        self._problem = ""
        self._find_at = 0.0
        self._faults: set[str] = set()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="best trials", daemon=True)

    def start(self) -> None:
        """Start loading."""
        self._thread.start()

    def progress(self) -> Progress:
        """Return the progress of loading."""
        studies = list(self._studies.values())
        return Progress(
            loading=not self._is_complete,
            loaded=sum(study.loaded for study in studies),
            total=sum(study.total for study in studies),
            problem=self._problem,
        )

    def tables(self) -> list[Table]:
        """Return every study, newest first."""
        own = [study.table for study in list(self._studies.values()) if study.is_known]
        known = [*own, *(self._others.tables.values() if self._others is not None else ())]
        return sorted(known, key=lambda table: table.updated, reverse=True)

    def table(self, study: str) -> Table | None:
        """Return a study; None: there is none with that name."""
        own = self.own(study)
        if own is None and self._others is not None:
            return self._others.tables.get(study)
        return None if own is None else own.table

    def own(self, study: str) -> OwnStudy | None:
        """Return a study of this service; None: it is not one."""
        found = self._studies.get(study)
        return found if found is not None and found.is_known else None

    def close(self) -> None:
        """Stop reading the log directory; what is known stays."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            began = time.monotonic()
            self._guard("the log directory", self.refresh)
            rest = _SHARE * (time.monotonic() - began)
            self._closed.wait(min(max(_EVERY_S, rest), _AT_MOST_S))

    def _guard(self, what: str, look: Callable[[], None]) -> None:
        """Run a check; an error is logged once, and the next round may succeed.

        Args:
            what: what is checked, for the log.
        """
        try:
            look()
            self._faults.discard(what)
        except Exception:  # noqa: BLE001 - whatever a log directory holds
            if what not in self._faults:
                _log.exception("the tab Best trials could not look at %s", what)
            self._faults.add(what)

    def refresh(self) -> None:
        """Do one round."""
        moment = time.monotonic()
        if moment >= self._find_at:
            self._find()
            self._find_at = time.monotonic() + _FIND_EVERY_S
        for name, study in list(self._studies.items()):
            try:
                for _ in study.refresh():
                    time.sleep(_YIELD_S)
            except OSError:
                self._studies.pop(name, None)  # deleted; found again if it comes back
        others = self._others
        if others is not None:
            own = [one for one in self._studies.values() if one.is_known]
            self._guard("the logs of other tools", lambda: others.refresh(own))
        self._is_complete = True

    def _find(self) -> None:
        """Search for studies."""
        found: dict[str, OwnStudy] = {}
        looked = [0]
        try:
            with self._base.open() as folder:
                for place in self._below(folder, self._base, _DEPTH, looked):
                    name = self._name(place)
                    prefix = _prefix(self._base, place)
                    found[name] = self._studies.get(name) or OwnStudy(place, name, prefix)
                    if len(found) >= MOST_STUDIES:
                        break
            self._problem = ""
        except FileNotFoundError:
            self._problem = ""  # it comes with the first trial
        except OSError as exc:
            self._problem = exc.strerror or str(exc)
        self._studies = found

    def _name(self, place: Place) -> str:
        """Return "project/study", as far as the path has both."""
        return "/".join(place.path.parts[-2:])

    def _below(
        self, folder: Folder, place: Place, depth: int, looked: list[int]
    ) -> Iterator[Place]:
        inner = []
        for entry in folder.entries():
            if entry.kind != "folder":
                continue
            if entry.name == STUDY_RUN or RUN.fullmatch(entry.name):
                yield place
                return
            inner.append(entry.name)
            if len(inner) > MOST_FOLDERS:
                return
        for name in sorted(inner):
            looked[0] += 1
            if depth < 1 or looked[0] > MOST_FOLDERS:
                return
            with contextlib.suppress(OSError, ValueError), folder.folder(name) as below:
                yield from self._below(below, place.below(name), depth - 1, looked)


def _prefix(base: Place, place: Place) -> str:
    """Return the path of a study's folder below the base, with a slash; empty for the base."""
    path = place.path.relative_to(base.path).as_posix()
    return "" if path == "." else f"{path}/"
