"""A folder that a plugin's importer may look into, file by file.

Its content is not trusted: `tuner.roots` opens one name at a time below the folder that the user
named. No link is followed, and only regular files with a single name are read.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Iterator
from pathlib import Path

from tuner.history.importers.folders import stamp_of
from tuner.roots import Place, UnfitError

#: Maximum number of names in one folder and of files in all folders below one; maximum depth.
MAX_NAMES, MAX_FILES, MAX_DEPTH = 200_000, 1_000_000, 40
#: Maximum size of a file that is read at once.
MAX_BYTES = 64 << 20


class FoundFolder:
    """A folder that the user named, or one below it.

    Args:
        depth: number of folders between this one and the one that the importer was given.
    """

    def __init__(self, place: Place, depth: int = 0) -> None:
        self._place = place
        self._depth = depth

    @classmethod
    def at(cls, path: Path) -> FoundFolder:
        """Return the folder of an absolute path; links in the path itself are followed."""
        return cls(Place(path))

    @property
    def path(self) -> str:
        """The absolute path, for messages; `open` and `read` open its files."""
        return str(self._place.path)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._place.name

    def is_reachable(self) -> bool:
        """Whether it exists, can be opened, and lies behind no link."""
        return self._place.exists()

    def has(self, name: str) -> bool:
        """Whether there is a regular file of this name; a file with hard links does not count.

        Raises:
            UnfitError: it is not the name of one thing in a folder.
            OSError: the folder is gone, or closed to this process.
        """
        with self._place.open() as folder:
            found = folder.stat(name)
        return found is not None and stat.S_ISREG(found.st_mode) and found.st_nlink == 1

    def files(self) -> list[str]:
        """Return the names of its files in alphabetical order, without links.

        Raises:
            UnfitError: there are more than `MAX_NAMES`.
            OSError: the folder is gone, or closed to this process.
        """
        return self._names("file")

    def folders(self) -> list[FoundFolder]:
        """Return its folders in alphabetical order, without links.

        Raises:
            UnfitError: there are more than `MAX_NAMES`, or they lie more than `MAX_DEPTH` deep.
            OSError: the folder is gone, or closed to this process.
        """
        names = self._names("folder")
        if names and self._depth >= MAX_DEPTH:
            raise UnfitError(self.path, f"has folders that lie more than {MAX_DEPTH} deep")
        # Not `Place.below`, which reads a name as a path.
        relative = self._place.relative
        paths = (f"{relative}/{name}" if relative else name for name in names)
        return [FoundFolder(Place(self._place.root, path), self._depth + 1) for path in paths]

    def open(self, name: str) -> io.BufferedReader:
        """Open one of its files for reading; the caller closes it.

        Raises:
            UnfitError: it is a link or no file, or has hard links; or `name` is a path.
            OSError: it is missing, or closed to this process.
        """
        with self._place.open() as folder:
            return folder.open_file(name)

    def read(self, name: str, most: int = MAX_BYTES) -> bytes:
        """Return the content of one of its files.

        Args:
            most: maximum number of bytes.

        Raises:
            UnfitError: see `open`; or the file is larger.
            OSError: it is missing, or closed to this process.
        """
        with self._place.open() as folder:
            return folder.read(name, most)

    def stamp(self) -> str:
        """Return a text that changes when a file in it, or in a folder below it, changes.

        Raises:
            UnfitError: there are more than `MAX_FILES`; or as `folders`.
            OSError: a folder is gone, or closed to this process.
        """
        return stamp_of(self._facts())

    def _facts(self) -> Iterator[tuple[str, str, int, int]]:
        # A stack, because folders may be nested deeper than Python's recursion allows.
        waiting, count = [self], 0
        while waiting:
            inner = waiting.pop()
            names = inner.files()
            count += len(names)
            if count > MAX_FILES:
                raise UnfitError(self.path, f"holds more than {MAX_FILES} files")
            with inner._place.open() as folder:  # noqa: SLF001 - of the same class
                for name in names:
                    found = folder.stat(name)
                    if found is not None:
                        where = inner.path.removeprefix(self.path)
                        yield where, name, found.st_size, found.st_mtime_ns
            waiting += inner.folders()[::-1]

    def _names(self, kind: str) -> list[str]:
        with self._place.open() as folder:
            names = []
            for entry in folder.entries():
                if entry.kind == kind:
                    names.append(entry.name)
                if len(names) > MAX_NAMES:
                    raise UnfitError(self.path, f"holds more than {MAX_NAMES} {kind}s")
        return sorted(names)
