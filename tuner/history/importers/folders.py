"""Folders as an import finds them: the files that matter, their stamps, and how to open them."""

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
    """A file as it was when it was looked at."""

    name: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class ScannedFolder:
    """A folder with the files that an importer may want, in the order of their names."""

    path: str
    json_files: tuple[FileStamp, ...]
    event_files: tuple[FileStamp, ...]
    #: In a log root of Tuner's; None: it is somebody else's.
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
            UnfitError: something else has the name by now.
            OSError: it is missing, or closed to this process.
        """
        if self.place is None:
            return open_named(Path(self.path, name))
        with self.place.open() as folder:
            return folder.open_file(name)

    def open_events(self, order: Callable[[str], Any] | None = None) -> Iterator[EventSource]:
        """Open the event files one after the other; each is open until the next one is.

        Args:
            order: of their names; default that in which TensorBoard reads them.
        """
        for name in sorted((file.name for file in self.event_files), key=order):
            with self.open(name) as file:
                yield Path(self.path, name), file


def is_run_name(name: str) -> bool:
    """Whether a folder of this name is one of an attempt of Tuner's."""
    return bool(_RUN.fullmatch(name))


def stamp_of(parts: Iterable[object]) -> str:
    """Return a short hash of the texts of `parts`."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(part).encode("utf-8", "surrogateescape"))
        digest.update(b"\n")
    return digest.hexdigest()[:24]


def files_stamp(folders: Iterable[ScannedFolder]) -> str:
    """Return the stamp of all the files of some folders, wherever these lie."""
    return stamp_of(
        (folder.name, file.name, file.size, file.mtime_ns)
        for folder in folders
        for file in (*folder.json_files, *folder.event_files)
    )


def parent_of(path: str) -> str:
    """Return an absolute path without its last part."""
    # Strings rather than paths: making a Path takes as long as looking into a small folder.
    return path.rpartition("/")[0] or "/"


def join(path: str, name: str) -> str:
    """Return the path of what is called `name` in the folder `path`."""
    return f"{path.rstrip('/')}/{name}"
