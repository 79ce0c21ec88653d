"""Removes a folder with everything in it, however deep, and nothing outside it."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from itertools import islice
from pathlib import Path

from tuner.roots.folder import Folder
from tuner.roots.unfit import UnfitError

#: Maximum number of names held in memory at a time.
_BATCH = 1000
#: Seconds after which a folder that is still not empty must be in use by a writer.
_LONGEST_S = 600.0
_OWNER_MAY = 0o700


def remove_folder(parent: Folder, name: str) -> bool:
    """Remove the folder `name`; links in it are removed, not followed.

    Folders inside that their owner may not enter or change are made accessible, if this process is
    the owner.

    Returns:
        Whether the folder existed. Anything that is not a folder stays: it is not ours.

    Raises:
        OSError: something in it cannot be removed, or keeps reappearing; the rest may be gone.
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

    This is done one by one, so that neither memory nor descriptors grow with depth.

    Returns:
        Whether it was a folder; it may not be gone yet.
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
        # It can only be moved if this process has access to it.
        _open(inner, name).close()
    except FileNotFoundError:
        return True
    except UnfitError:
        return False
    higher = f".removed-{os.urandom(8).hex()}"
    os.rename(name, higher, src_dir_fd=inner.fileno(), dst_dir_fd=folder.fileno())
    return True


def _open(parent: Folder, name: str) -> Folder:
    """Open a folder so that its contents can be removed."""
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
    """Give the owner access to a folder that cannot be opened.

    Raises:
        PermissionError: the owner is somebody else.
    """
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, dir_fd=parent.fileno())
    try:
        # The folder that is open, whatever has its name by now.
        Path(f"/proc/self/fd/{fd}").chmod(_OWNER_MAY)
    except PermissionError as exc:
        raise PermissionError(exc.errno, exc.strerror, str(parent.path / name)) from None
    finally:
        os.close(fd)


def _go_on(error: OSError, deadline: float, folder: Folder) -> None:
    """Return if a folder has got new files meanwhile and there is time left; otherwise raise."""
    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
        raise error
    _check_time(deadline, folder)


def _check_time(deadline: float, folder: Folder) -> None:
    if time.monotonic() > deadline:
        text = "something keeps writing there"
        raise OSError(errno.ENOTEMPTY, text, str(folder.path))
