"""Removing a folder with all that it holds, however deep, and nothing outside of it."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from itertools import islice
from pathlib import Path

from tuner.roots.folder import Folder
from tuner.roots.unfit import UnfitError

#: Names that are held in memory at a time.
_BATCH = 1000
#: What is still not empty after so long is being written to by somebody.
_LONGEST_S = 600.0
_OWNER_MAY = 0o700


def remove_folder(parent: Folder, name: str) -> bool:
    """Remove the folder `name`; links in it are removed, not followed.

    Folders in it that their owner may not enter or change are opened to this process, where it is
    the owner.

    Returns:
        Whether there was one. What is not a folder stays: it is not ours.

    Raises:
        OSError: something in it cannot be removed, or comes again and again; the rest may be gone.
    """
    try:
        folder = _open(parent, name)
    except (FileNotFoundError, UnfitError):
        return False
    deadline = time.monotonic() + _LONGEST_S
    with folder:
        while True:
            _empty(folder, deadline)
            try:
                os.rmdir(name, dir_fd=parent.fileno())
            except OSError as exc:
                _go_on(exc, deadline, folder)
            else:
                return True


def _empty(folder: Folder, deadline: float) -> None:
    while batch := list(islice(folder.entries(), _BATCH)):
        for entry in batch:
            if entry.kind != "folder" or not _remove_inner(folder, entry.name, deadline):
                folder.remove(entry.name)
        _check_time(deadline, folder)


def _remove_inner(folder: Folder, name: str, deadline: float) -> bool:
    """Remove one folder in another; folders in it move up to their grandparent.

    One by one, so that neither memory nor descriptors grow with depth.

    Returns:
        Whether it was a folder; it need not be gone yet.
    """
    try:
        inner = _open(folder, name)
    except FileNotFoundError:
        return True
    except UnfitError:
        return False
    with inner:
        while batch := list(islice(inner.entries(), _BATCH)):
            for entry in batch:
                if entry.kind != "folder" or not _move_up(inner, entry.name, folder):
                    inner.remove(entry.name)
            _check_time(deadline, folder)
    try:
        os.rmdir(name, dir_fd=folder.fileno())
    except FileNotFoundError:
        pass
    except OSError as exc:
        _go_on(exc, deadline, folder)
    return True


def _move_up(inner: Folder, name: str, folder: Folder) -> bool:
    """Move a folder from `inner` to `folder`; return whether it is one."""
    try:
        # To be moved, it must be open to this process.
        _open(inner, name).close()
    except FileNotFoundError:
        return True
    except UnfitError:
        return False
    higher = f".removed-{os.urandom(8).hex()}"
    os.rename(name, higher, src_dir_fd=inner.fileno(), dst_dir_fd=folder.fileno())
    return True


def _open(parent: Folder, name: str) -> Folder:
    """Open a folder so that what is in it can be removed."""
    try:
        folder = parent.folder(name)
    except PermissionError:
        _allow(parent, name)
        folder = parent.folder(name)
    mode = os.fstat(folder.fileno()).st_mode
    if mode & _OWNER_MAY != _OWNER_MAY:
        with contextlib.suppress(PermissionError):  # not the owner: what follows says it
            os.fchmod(folder.fileno(), mode | _OWNER_MAY)
    return folder


def _allow(parent: Folder, name: str) -> None:
    """Let the owner into a folder that cannot be opened.

    Raises:
        PermissionError: the owner is somebody else.
    """
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, dir_fd=parent.fileno())
    try:
        # The one that is open, whatever has its name by now.
        Path(f"/proc/self/fd/{fd}").chmod(_OWNER_MAY)
    except PermissionError as exc:
        raise PermissionError(exc.errno, exc.strerror, str(parent.path / name)) from None
    finally:
        os.close(fd)


def _go_on(error: OSError, deadline: float, folder: Folder) -> None:
    """Return where a folder has got new files meanwhile, while there is time; else raise."""
    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
        raise error
    _check_time(deadline, folder)


def _check_time(deadline: float, folder: Folder) -> None:
    if time.monotonic() > deadline:
        text = "something keeps writing there"
        raise OSError(errno.ENOTEMPTY, text, str(folder.path))
