"""What stands at a path has the wrong kind: the fault of whoever put it there."""

from __future__ import annotations

import errno
import os
import stat

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFREG: "a file",
}


class UnfitError(OSError):
    """A file, folder or name below a root is not what it must be.

    It says nothing about the file system: everything else below the root may be fine.

    Args:
        path: for messages.
        reason: what is wrong, after "PATH: ".
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(errno.EINVAL, reason, path)


def kind_name(mode: int) -> str:
    """Return the common name for a file of this mode (`st_mode`)."""
    return _KINDS.get(stat.S_IFMT(mode), "of an unknown kind")


def check_name(name: str, where: str) -> None:
    """Refuse anything that is not a single name in a folder.

    Raises:
        UnfitError: it is empty, "." or "..", or contains "/" or NUL.
    """
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise UnfitError(where, f"{name!r} is not the name of a file")


def check_regular(found: os.stat_result, path: str, most: int | None) -> None:
    """Refuse anything but a regular file with one name and at most `most` bytes.

    A second name (a hard link) may lie outside the root: the file could be one that only this
    process may read.

    Raises:
        UnfitError: see above.
    """
    if not stat.S_ISREG(found.st_mode):
        raise UnfitError(path, f"is {kind_name(found.st_mode)}, and must be a file")
    if found.st_nlink > 1:
        raise UnfitError(path, "has several names (hard links), and must have one")
    if most is not None and found.st_size > most:
        raise UnfitError(path, f"holds {found.st_size} bytes, and must hold at most {most}")
