"""Removing a folder with all that it holds, however deep, and nothing outside of it."""

from __future__ import annotations

import os

from tuner.roots.folder import Folder
from tuner.roots.unfit import UnfitError


def remove_folder(parent: Folder, name: str) -> bool:
    """Remove the folder `name`; links in it are removed, not followed.

    Returns:
        Whether there was one. What is no folder stays: it is not ours.

    Raises:
        OSError: something in it cannot be removed; the rest may be gone.
    """
    try:
        folder = parent.folder(name)
    except (FileNotFoundError, UnfitError):
        return False
    with folder:
        _empty(folder)
    os.rmdir(name, dir_fd=parent.fileno())
    return True


def _empty(folder: Folder) -> None:
    waiting = _remove_files(folder)
    number = 0
    while waiting:
        name = waiting.pop()
        with folder.folder(name) as inner:
            # Moved up one by one, so that neither memory nor descriptors grow with depth.
            for below in _remove_files(inner):
                number += 1
                higher = f".removed-{os.getpid()}-{number}"
                os.rename(below, higher, src_dir_fd=inner.fileno(), dst_dir_fd=folder.fileno())
                waiting.append(higher)
        os.rmdir(name, dir_fd=folder.fileno())


def _remove_files(folder: Folder) -> list[str]:
    """Remove all names but those of folders, and return these."""
    kept = []
    # A list first: whether a scan goes on rightly while names vanish is not promised.
    for entry in list(folder.entries()):
        if entry.kind == "folder":
            kept.append(entry.name)
        else:
            folder.remove(entry.name)
    return kept
