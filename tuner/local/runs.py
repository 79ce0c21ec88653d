"""The live `tuner run` processes: one locked file each, so that the last can end the service."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from tuner.local.home import make_home, try_lock
from tuner.settings import Settings

#: Seconds after its last run was killed until a service that nobody keeps ends itself.
UNUSED_S = 30.0


class LiveRun:
    """This process, registered as a user of the embedded service."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.home / "runs"
        self._path = self._folder / str(os.getpid())
        self._fd: int | None = None

    def register(self, study: str) -> None:
        """Add this process to the live runs; the kernel removes it when the process ends."""
        with registry_lock(self._folder):
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{study}\n".encode(), 0)

    def rename(self, study: str) -> None:
        """Register this process for another study."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{study}\n".encode(), 0)

    @contextlib.contextmanager
    def leave(self) -> Iterator[bool]:
        """Remove this process from the live runs, and yield whether it was the last one.

        No run can register inside the block, so no run joins a service that is ended there.
        """
        with registry_lock(self._folder):
            if self._fd is not None:
                self._path.unlink(missing_ok=True)
                os.close(self._fd)
                self._fd = None
            yield not _live(self._folder, tidy=True)


def live_runs(settings: Settings) -> dict[int, str]:
    """Return pid and study of every live run."""
    folder = settings.home / "runs"
    if not folder.is_dir():
        return {}
    # Reading need not wait: a run that registers at this moment may be missed.
    return _live(folder, tidy=False)


class IdleWatch:
    """Tells the service whether it is still needed; called every few seconds.

    It holds the time since which no run was seen, which is in no file.
    """

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.home / "runs"
        self._unused_since: float | None = None

    def is_used(self) -> bool:
        """Return False if there has been no live run for `UNUSED_S`."""
        now = time.monotonic()
        if self._is_used_now():
            self._unused_since = None
            return True
        if self._unused_since is None:
            self._unused_since = now
        return now - self._unused_since < UNUSED_S

    def _is_used_now(self) -> bool:
        # Never waits: the run that ends this service holds the turnstile until it has ended.
        with registry_lock(self._folder, wait=False) as entered:
            return not entered or bool(_live(self._folder, tidy=True))


@contextlib.contextmanager
def registry_lock(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Let one process at a time change the registrations; yields False if it would have to wait."""
    make_home(folder)
    fd = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if wait:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield True
        else:
            yield try_lock(fd)
    finally:
        os.close(fd)


def _live(folder: Path, *, tidy: bool) -> dict[int, str]:
    """Return the live runs; `tidy` removes the files of dead ones (only inside the turnstile)."""
    live: dict[int, str] = {}
    for path in folder.iterdir():
        if not path.name.isdigit():
            continue
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            if not try_lock(fd):
                live[int(path.name)] = path.read_text().strip()
            elif tidy:
                path.unlink(missing_ok=True)
        finally:
            os.close(fd)
    return live
