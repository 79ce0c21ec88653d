"""Which event folders belong to which trial, decided from paths and a search for two records."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tuner.history.importers.folders import ScannedFolder, parent_of
from tuner.history.store.records import Rejection
from tuner.tfevents.events import EXPERIMENT_TAG, START_TAG
from tuner.tfevents.reader import read_files

#: Maximum size of an event file to read; images and graphs beyond are not needed.
MOST_BYTES = 1 << 30
#: Where to look for a session start: it is written first, or after everything else.
_HEAD_BYTES, _TAIL_BYTES = 1 << 20, 1 << 16

_TIME_NAME = re.compile(r"\d{9,}\.\d+")
_EXECUTION = re.compile(r"execution\d+")


class LoggedSession:
    """One trial: the run with its start, the runs below it, and one above it with its curves."""

    def __init__(self, start: ScannedFolder) -> None:
        self.start = start
        self.parts: list[ScannedFolder] = []
        self.above: ScannedFolder | None = None
        #: Whether it is named by the time and is in a run without hyperparameters.
        self.is_timed = False

    @property
    def trial_dir(self) -> str:
        """The folder that represents the trial."""
        path = self.start.path
        return parent_of(path) if self.is_timed or self.is_execution else path

    @property
    def is_execution(self) -> bool:
        """Whether KerasTuner wrote it."""
        return bool(_EXECUTION.fullmatch(self.start.name))

    def folders(self) -> list[ScannedFolder]:
        """Return all folders that the trial is read from."""
        return [self.start, *self.parts, *([self.above] if self.above else [])]


@dataclass(kw_only=True)
class Runs:
    """The sessions with their parts, and the folders that declare an experiment."""

    sessions: list[LoggedSession] = field(default_factory=list)
    experiments: list[ScannedFolder] = field(default_factory=list)


def sort_runs(folders: Iterable[ScannedFolder], refuse: Callable[[Rejection], None]) -> Runs:
    """Return what the folders are.

    Args:
        folders: those with event files, parents before their subfolders.
        refuse: called for what belongs to no trial, with the reason.
    """
    sessions: dict[str, LoggedSession] = {}
    others: dict[str, tuple[ScannedFolder, bool]] = {}
    for folder in folders:
        try:
            tags = _tags(folder)
        except OSError as exc:
            refuse(Rejection(path=folder.path, reason=f"cannot be read: {exc.strerror or exc}"))
            continue
        if START_TAG in tags:
            sessions[folder.path] = LoggedSession(folder)
        else:
            others[folder.path] = (folder, EXPERIMENT_TAG in tags)
    _pair(sessions, {path: folder for path, (folder, _) in others.items()})
    taken = {session.above.path for session in sessions.values() if session.above}
    runs = Runs(sessions=list(sessions.values()))
    for path, (folder, is_experiment) in others.items():
        owner = _ancestor(path, sessions)
        if owner is not None:
            owner.parts.append(folder)
        elif is_experiment:
            runs.experiments.append(folder)
        elif path not in taken:
            refuse(Rejection(path=path, reason=_why_not(folder)))
    return runs


def _pair(sessions: Mapping[str, LoggedSession], others: Mapping[str, ScannedFolder]) -> None:
    """Give a session that is named by the time the curves above it, if no other one shares them."""
    for path, session in sessions.items():
        name = path.rpartition("/")[2]
        session.is_timed = bool(_TIME_NAME.fullmatch(name)) and parent_of(path) in others
    timed = [session for session in sessions.values() if session.is_timed]
    siblings = Counter(parent_of(session.start.path) for session in timed)
    for session in timed:
        above = parent_of(session.start.path)
        if siblings[above] == 1:
            session.above = others[above]


def _ancestor(path: str, sessions: Mapping[str, LoggedSession]) -> LoggedSession | None:
    """Return the session whose folder is the closest ancestor of a path."""
    while (above := parent_of(path)) != path:
        if above in sessions:
            return sessions[above]
        path = above
    return None


def _tags(folder: ScannedFolder) -> set[str]:
    """Return which of the records of a session and of an experiment a run seems to contain."""
    found: set[str] = set()
    for _, file in folder.open_events():
        data = file.read(_HEAD_BYTES)
        if len(data) == _HEAD_BYTES:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(_HEAD_BYTES, size - _TAIL_BYTES))
            data += file.read(_TAIL_BYTES)
        found |= {tag for tag in (START_TAG, EXPERIMENT_TAG) if tag.encode() in data}
    return found


def _why_not(folder: ScannedFolder) -> str:
    if not any(file.size for file in folder.event_files):
        return "is an empty event file"
    try:
        events = read_files(folder.open_events(), most=_HEAD_BYTES)
    except OSError as exc:
        return f"cannot be read: {exc.strerror or exc}"
    if events["scalars"]:
        return "holds curves and no hyperparameters"
    return "holds no hyperparameters, or is damaged at its beginning"
