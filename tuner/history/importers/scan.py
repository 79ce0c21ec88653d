"""Walking through a folder: every folder in it once, with the files that matter and their stamps.

Links are followed, but no folder is entered twice, so a loop of links ends. Nothing is opened.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tuner.history.records import Rejection
from tuner.tfevents.reader import EventSource

#: Deeper than any log root; a path that long is a mistake.
MAX_DEPTH = 40

_JSON_FILES = frozenset({"trial.json", "config.json", "oracle.json"})


@dataclass(frozen=True, slots=True)
class FileStamp:
    """A file as it was when it was looked at."""

    name: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder with the files that an importer may want, in the order of their names."""

    path: str
    json_files: tuple[FileStamp, ...]
    event_files: tuple[FileStamp, ...]

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

    def event_paths(self) -> list[Path]:
        """Return the event files in the order in which TensorBoard reads them."""
        return [Path(self.path, file.name) for file in self.event_files]

    def open_events(self) -> Iterator[EventSource]:
        """Open the event files one after the other, in that order; each until the next is."""
        return open_files(self.event_paths())


def open_files(paths: Iterable[Path]) -> Iterator[EventSource]:
    """Open event files one after the other; each stays open until the next one is."""
    for path in paths:
        with path.open("rb") as file:
            yield path, file


def scan(root: str, refuse: Callable[[Rejection], None]) -> Iterator[Folder]:
    """Yield `root` and the folders below it, parents first, in the order of their names.

    Args:
        root: absolute path of a folder.
        refuse: told of what cannot be read.
    """
    seen: set[tuple[int, int]] = set()
    # A stack, because folders may be nested deeper than Python's recursion allows.
    waiting = [(root, 0)]
    while waiting:
        path, depth = waiting.pop()
        try:
            if not _is_new(path, seen):
                continue
            with os.scandir(path) as entries:
                folder, inner = _read(path, entries)
        except OSError as exc:
            refuse(Rejection(path=path, reason=f"cannot be read: {exc.strerror or exc}"))
            continue
        yield folder
        if depth < MAX_DEPTH:
            waiting += [(join(path, name), depth + 1) for name in sorted(inner)[::-1]]
        elif inner:
            refuse(Rejection(path=path, reason=f"lies more than {MAX_DEPTH} folders deep"))


def stamp_of(parts: Iterable[object]) -> str:
    """Return a short hash of the texts of `parts`."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(part).encode("utf-8", "surrogateescape"))
        digest.update(b"\n")
    return digest.hexdigest()[:24]


def files_stamp(folders: Iterable[Folder]) -> str:
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


def _is_new(path: str, seen: set[tuple[int, int]]) -> bool:
    found = Path(path).stat()
    identity = (found.st_dev, found.st_ino)
    if identity in seen:
        return False
    seen.add(identity)
    return True


def _read(path: str, entries: Iterator[os.DirEntry[str]]) -> tuple[Folder, list[str]]:
    inner: list[str] = []
    json_files: list[FileStamp] = []
    event_files: list[FileStamp] = []
    for entry in entries:
        name = entry.name
        wanted = json_files if name in _JSON_FILES else event_files if "tfevents" in name else None
        try:
            if wanted is None:
                if entry.is_dir():
                    inner.append(name)
                continue
            found = entry.stat()
        except OSError:
            continue  # a link to nothing, or a file that has just been removed
        if stat.S_ISDIR(found.st_mode):
            inner.append(name)
        elif stat.S_ISREG(found.st_mode):
            wanted.append(FileStamp(name, found.st_size, found.st_mtime_ns))
    folder = Folder(
        path, tuple(sorted(json_files, key=_name)), tuple(sorted(event_files, key=_name))
    )
    return folder, inner


def _name(file: FileStamp) -> str:
    return file.name
