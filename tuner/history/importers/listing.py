"""Lists one folder to import, either a foreign one or one in a log root of ours."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from tuner.history.importers.folders import FileStamp, ScannedFolder, is_run_name, join
from tuner.history.store.records import Rejection
from tuner.roots import Folder as OpenFolder
from tuner.roots import Place, UnfitError, check_regular, kind_name

Refuse = Callable[[Rejection], None]

#: Maximum number of event files read from one folder, the first by name.
MAX_EVENT_FILES = 10_000

_JSON_FILES = frozenset({"trial.json", "config.json", "oracle.json"})
#: Files of other trackers, which do not write into a log root of ours.
_FOREIGN_FILES = frozenset({"meta.yaml"})
_FOREIGN_END = re.compile(r".+\.wandb|.+_part_\d{1,6}\.parquet")
_MAX_FOREIGN = 200_000


class Listing:
    """The content of one folder. Mutable: it is read once.

    Args:
        refuse: called for anything named like a relevant file that is not one.
    """

    def __init__(self, path: str, refuse: Refuse) -> None:
        self.path = path
        self.refuse = refuse
        self._place: Place | None = None
        self._json: list[FileStamp] = []
        self._events: list[FileStamp] = []
        self._foreign: list[FileStamp] = []
        self._beyond = 0
        #: Names of its subfolders.
        self.inner: list[str] = []
        #: Whether it was read before under another path.
        self.was_seen = False

    def read(self, seen: set[tuple[int, int]]) -> None:
        """Read a foreign folder; links are followed.

        Raises:
            OSError: it cannot be read.
        """
        if not self._note(Path(self.path).stat(), seen):
            return
        with os.scandir(self.path) as entries:
            for entry in entries:
                try:
                    if not _is_wanted(entry.name) and not _is_foreign(entry.name):
                        if entry.is_dir():
                            self.inner.append(entry.name)
                        continue
                    found = entry.stat()
                except OSError:
                    continue  # a link to nothing, or a file that has just been removed
                self._take(entry.name, found)

    def read_own(self, place: Place, opened: OpenFolder, seen: set[tuple[int, int]]) -> None:
        """Read an open folder in a log root of Tuner, and close it.

        Raises:
            OSError: it cannot be read.
        """
        self._place = place
        with opened as folder:
            if not self._note(os.fstat(folder.fileno()), seen):
                return
            in_run = is_run_name(place.name)
            for entry in folder.entries():
                is_wanted = _is_wanted(entry.name)
                if entry.kind == "folder" and not is_wanted:
                    self.inner.append(entry.name)
                elif is_wanted or is_run_name(entry.name) or (entry.kind == "other" and not in_run):
                    found = folder.stat(entry.name)
                    if found is not None:
                        self._take_own(entry.name, found)

    def folder(self) -> ScannedFolder:
        """Return the content."""
        self._trim(self._events, MAX_EVENT_FILES)
        if self._beyond:
            reason = f"lies beyond the first {MAX_EVENT_FILES} event files of a folder"
            self.refuse(Rejection(path=self.path, reason=reason, count=self._beyond))
        self._foreign.sort(key=_name)
        more = len(self._foreign) - _MAX_FOREIGN
        if more > 0:
            reason = f"lies beyond the first {_MAX_FOREIGN} files of runs in a folder"
            self.refuse(Rejection(path=self.path, reason=reason, count=more))
        json_files = tuple(sorted((*self._json, *self._foreign[:_MAX_FOREIGN]), key=_name))
        return ScannedFolder(self.path, json_files, tuple(self._events), self._place)

    def _note(self, found: os.stat_result, seen: set[tuple[int, int]]) -> bool:
        identity = (found.st_dev, found.st_ino)
        self.was_seen = identity in seen
        seen.add(identity)
        return not self.was_seen

    def _take_own(self, name: str, found: os.stat_result) -> None:
        path = join(self.path, name)
        try:
            if not _is_wanted(name):
                instead = "must be a folder" if is_run_name(name) else "is left alone in a log root"
                raise UnfitError(path, f"is {kind_name(found.st_mode)}, and {instead}")
            # A project or a study may have the name of an event file.
            if name in _JSON_FILES or not stat.S_ISDIR(found.st_mode):
                check_regular(found, path, None)
        except UnfitError as exc:
            self.refuse(Rejection(path=path, reason=why_not(exc)))
        else:
            self._take(name, found)

    def _take(self, name: str, found: os.stat_result) -> None:
        if stat.S_ISDIR(found.st_mode):
            self.inner.append(name)
        elif not stat.S_ISREG(found.st_mode):
            reason = f"is {kind_name(found.st_mode)}, and must be a file"
            self.refuse(Rejection(path=join(self.path, name), reason=reason))
        elif name in _JSON_FILES:
            self._json.append(FileStamp(name, found.st_size, found.st_mtime_ns))
        elif _is_foreign(name):
            self._foreign.append(FileStamp(name, found.st_size, found.st_mtime_ns))
        else:
            self._events.append(FileStamp(name, found.st_size, found.st_mtime_ns))
            if len(self._events) >= 2 * MAX_EVENT_FILES:
                self._trim(self._events, MAX_EVENT_FILES)

    def _trim(self, files: list[FileStamp], most: int) -> None:
        files.sort(key=_name)
        self._beyond += max(0, len(files) - most)
        del files[most:]


def _is_wanted(name: str) -> bool:
    return name in _JSON_FILES or "tfevents" in name


def _is_foreign(name: str) -> bool:
    return name in _FOREIGN_FILES or bool(_FOREIGN_END.fullmatch(name))


def why_not(exc: OSError) -> str:
    """Return why a file or folder is left out; says what is in its place."""
    reason = exc.strerror or str(exc)
    return reason if isinstance(exc, UnfitError) else f"cannot be read: {reason}"


def _name(file: FileStamp) -> str:
    return file.name
