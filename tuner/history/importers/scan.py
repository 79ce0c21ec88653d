"""Walks through a folder: every subfolder once, with the relevant files and their stamps.

In a foreign folder links are followed, as its owner intended, but no folder is entered twice, so a
cycle of links ends. In a log root of Tuner, trials may have left anything: links are not followed
there, and a file with a second hard link is refused. Files must be regular in both.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tuner.history.importers.folders import ScannedFolder as FoundFolder
from tuner.history.importers.folders import is_run_name, join
from tuner.history.importers.listing import Listing, Refuse, why_not
from tuner.history.store.records import Rejection
from tuner.roots import Folder, Place

#: Maximum depth, larger than in any log root; a path that long is a mistake.
MAX_DEPTH = 40
MAX_FOLDERS = 1_000_000


def is_own(root: str, log_root: Path | None = None) -> bool:
    """Whether a folder is, contains, or is in a log root of Tuner.

    Args:
        root: absolute path of the folder.
        log_root: that of the service, if known: it may be empty so far.
    """
    known = None if log_root is None else os.path.realpath(log_root)
    if known is not None and Path(root).is_relative_to(known):
        return True
    return any(map(is_run_name, root.split("/"))) or _holds_run(root)


def scan(root: str, refuse: Refuse, *, own: bool) -> Iterator[FoundFolder]:
    """Yield `root` and the folders below it, parents first, sorted by name.

    Args:
        root: absolute path of a folder.
        refuse: called for what cannot be read.
        own: whether it belongs to a log root of Tuner (`is_own`).
    """
    seen: set[tuple[int, int]] = set()
    opener = _Opener(Path(root)) if own else None
    # A stack, because folders may be nested deeper than Python's recursion allows.
    waiting = [("", 0)]
    with contextlib.closing(opener) if opener else contextlib.nullcontext():
        while waiting:
            relative, depth = waiting.pop()
            path = join(root, relative) if relative else root
            if len(seen) >= MAX_FOLDERS:
                refuse(Rejection(path=path, reason=f"lies beyond the first {MAX_FOLDERS} folders"))
                return
            listing = Listing(path, refuse)
            if not _read(listing, relative, opener, seen):
                continue
            yield listing.folder()
            if own and is_run_name(path.rpartition("/")[2]):
                continue  # what a trial's own code has left in its folder
            if depth < MAX_DEPTH:
                inner = sorted(listing.inner)[::-1]
                waiting += [(f"{relative}/{name}".lstrip("/"), depth + 1) for name in inner]
            elif listing.inner:
                refuse(Rejection(path=path, reason=f"lies more than {MAX_DEPTH} folders deep"))


class _Opener:
    """Opens the folders of a log root of ours. Mutable: keeps the last one's parent open.

    Otherwise each of a study's thousands of runs would be looked up from the root.

    Args:
        root: where the walk starts.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._parent: Folder | None = None
        self._relative = ""

    def open(self, relative: str) -> tuple[Place, Folder]:
        """Open a folder below the root.

        Raises:
            UnfitError: a part of its path is a link or not a folder.
            OSError: it is missing, or this process may not read it.
        """
        place = Place(self._root, relative)
        if not relative:
            return place, place.open()
        above, _, name = relative.rpartition("/")
        if self._parent is None or above != self._relative:
            self.close()
            self._parent, self._relative = Place(self._root, above).open(), above
        return place, self._parent.folder(name)

    def close(self) -> None:
        """Close the open folders."""
        if self._parent is not None:
            self._parent.close()
            self._parent = None


def _read(
    listing: Listing, relative: str, opener: _Opener | None, seen: set[tuple[int, int]]
) -> bool:
    """Read a folder; return whether it could be read, and had not been read before."""
    try:
        if opener is None:
            listing.read(seen)
        else:
            listing.read_own(*opener.open(relative), seen)
    except OSError as exc:
        listing.refuse(Rejection(path=listing.path, reason=why_not(exc)))
        return False
    return not listing.was_seen


def _holds_run(root: str) -> bool:
    """Whether there is a run of Tuner below a folder; links are not followed."""
    waiting, count = [root], 0
    while waiting and count < MAX_FOLDERS:
        path = waiting.pop()
        count += 1
        with contextlib.suppress(OSError), os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if is_run_name(entry.name):
                        return True
                    waiting.append(join(path, entry.name))
    return False
