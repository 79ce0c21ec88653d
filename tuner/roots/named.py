"""Opens files named by a user, or found in a user's folder: links are followed."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

from tuner.roots.unfit import UnfitError, kind_name

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_named(path: Path) -> io.BufferedReader:
    """Open a regular file, following links, without ever blocking.

    Raises:
        FileNotFoundError: it is missing.
        UnfitError: it is a folder, a named pipe, a device or a socket.
        OSError: this process may not read it, or its links lead nowhere.
    """
    # Checked before opening, because opening a device can already have effects.
    _require_file(path.stat(), path)
    try:
        fd = os.open(path, _READ)
    except OSError as exc:
        if exc.errno == errno.ENXIO:
            raise UnfitError(str(path), "has just been replaced by something else") from None
        raise
    try:
        _require_file(os.fstat(fd), path)
        return os.fdopen(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


def _require_file(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise UnfitError(str(path), f"is {kind_name(found.st_mode)}, and must be a file")
