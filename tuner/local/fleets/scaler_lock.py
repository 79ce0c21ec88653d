"""Ensures that a single process scales the workers of a home."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from tuner.errors import SetupError
from tuner.local.home import make_home, try_lock
from tuner.settings import Settings


def scaler_pid(settings: Settings) -> int | None:
    """Return the pid of the process that scales the workers of this home; None if there is none."""
    try:
        fd = os.open(_path(settings), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if try_lock(fd):
            return None
        said = os.pread(fd, 20, 0).decode(errors="replace").strip()
    finally:
        os.close(fd)
    return int(said) if said.isdecimal() else None


@contextlib.contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Hold the right to scale the workers of this home.

    Raises:
        SetupError: another process has it.
    """
    make_home(settings.home)
    path = _path(settings)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _soon_locked(fd):
            holder = os.pread(fd, 20, 0).decode(errors="replace").strip() or "unknown"
            raise SetupError(
                f"tuner workers autoscale already runs for this home (pid {holder}); end that one "
                f"first, or give this one a home of its own with TUNER_HOME"
            )
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)


def _soon_locked(fd: int) -> bool:
    """Return whether the lock could be taken soon; processes that only check hold it briefly."""
    for _ in range(5):
        if try_lock(fd):
            return True
        time.sleep(0.05)
    return False


def _path(settings: Settings) -> Path:
    return settings.home / "fleets" / "autoscale.lock"
