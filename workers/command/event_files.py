"""The metrics of a command that writes event files for TensorBoard, and prints nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Set

from tuner.roots import Folder, Place
from tuner.tfevents import EventSource, event_files, read_files

#: Maximum depth below the run's folder: `lightning_logs/version_0/metrics`.
MOST_DEEP = 3
#: Maximum number of folders, and of files in one.
MOST_FOLDERS = 100
MOST_FILES = 100
#: Maximum size of all files together.
MOST_BYTES = 64 << 20


def names_before(place: Place) -> frozenset[str]:
    """Return the event files that exist before the command starts: the worker's own."""
    try:
        with place.open() as folder:
            return frozenset(event_files(folder))
    except OSError:
        return frozenset()


def last_scalars(place: Place, before: Set[str]) -> dict[str, float]:
    """Return the last value of each scalar in the event files that a command has written.

    The last value is that of the highest step; of two, the one that was written later.

    Args:
        place: folder of the run; its subfolders count, too.
        before: event files in the run's own folder that are not the command's.
    """
    last: dict[str, tuple[int, float, float]] = {}
    try:
        with place.open() as folder:
            run = read_files(_sources(folder, before, itertools.count(1)), total=MOST_BYTES)
    except OSError:
        return {}
    for tag, points in run["scalars"].items():
        for step, value, time_s in points:
            if tag not in last or (step, time_s) >= last[tag][:2]:
                last[tag] = step, time_s, value
    return {tag: value for tag, (_, _, value) in last.items()}


def _sources(
    folder: Folder, before: Set[str], seen: Iterator[int], depth: int = 0
) -> Iterator[EventSource]:
    """Yield the open event files in and below a folder.

    Args:
        folder: the run's folder, or one below it.
        before: names in this folder to ignore.
        seen: counts the folders.
        depth: levels below the run's folder.
    """
    for name in event_files(folder, MOST_FILES):
        try:
            file = folder.open_file(name)
        except OSError:
            continue
        with file:
            if name not in before:
                yield folder.path / name, file
    if depth == MOST_DEEP:
        return
    for entry in itertools.islice(folder.entries(), 10_000):
        if entry.kind != "folder" or next(seen) > MOST_FOLDERS:
            continue
        try:
            inner = folder.folder(entry.name)
        except OSError:
            continue
        with inner:
            yield from _sources(inner, frozenset(), seen, depth + 1)
