"""Folders as an import finds them: the relevant files, their stamps, and how to open them."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.roots import Place, open_named
from tuner.tfevents.reader import EventSource

_RUN = re.compile(r"trial_\d{5,}-\d{8}T\d{6}Z(-a\d+)?")


@dataclass(frozen=True, slots=True)
class FileStamp:
    """The state of a file at the time of the scan."""

    name: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class ScannedFolder:
    """A folder with the files that an importer may need, sorted by name."""

    path: str
    json_files: tuple[FileStamp, ...]
    event_files: tuple[FileStamp, ...]
    #: Set in a log root of Tuner; None: it is a foreign folder.
    place: Place | None = None

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> str:
        """The path without its last part."""
        return parent_of(self.path)

    def has(self, name: str) -> bool:
        """Whether one of the JSON files has this name."""
        return any(file.name == name for file in self.json_files)

    def open(self, name: str) -> io.BufferedReader:
        """Open one of its files for reading.

        Raises:
            UnfitError: something else has that name by now.
            OSError: it is missing, or this process may not read it.
        """
        if self.place is None:
            return open_named(Path(self.path, name))
        with self.place.open() as folder:
            return folder.open_file(name)

    def open_events(self, order: Callable[[str], Any] | None = None) -> Iterator[EventSource]:
        """Yield the open event files one by one; each is closed before the next one is opened.

        Args:
            order: sort key for their names; by default the order in which TensorBoard reads them.
        """
        for name in sorted((file.name for file in self.event_files), key=order):
            with self.open(name) as file:
                yield Path(self.path, name), file


def is_run_name(name: str) -> bool:
    """Whether the name has the form of a run directory of Tuner."""
    return bool(_RUN.fullmatch(name))


def stamp_of(parts: Iterable[object]) -> str:
    """Return a short hash of the texts of `parts`."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(part).encode("utf-8", "surrogateescape"))
        digest.update(b"\n")
    return digest.hexdigest()[:24]


def files_stamp(folders: Iterable[ScannedFolder]) -> str:
    """Return the stamp of all files of some folders, independent of the location."""
    return stamp_of(
        (folder.name, file.name, file.size, file.mtime_ns)
        for folder in folders
        for file in (*folder.json_files, *folder.event_files)
    )


def parent_of(path: str) -> str:
    """Return an absolute path without its last part."""
    # Strings rather than paths: creating a Path takes as long as listing a small folder.
    return path.rpartition("/")[0] or "/"


def join(path: str, name: str) -> str:
    """Return the path of `name` in the folder `path`."""
    return f"{path.rstrip('/')}/{name}"
