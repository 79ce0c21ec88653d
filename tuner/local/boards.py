"""Which TensorBoards run for a home, so that commands can link to them: one locked file each."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tuner.errors import SetupError
from tuner.local.home import make_home, try_lock
from tuner.settings import Settings

#: Maximum number of files that are read; those of killed boards are removed by the next board.
_MOST = 1_000


@dataclass(frozen=True, kw_only=True)
class RunningBoard:
    """A running TensorBoard.

    Args:
        url: its address, without a trailing slash.
        source: the folder that it shows: of a study, a project or the log root.
    """

    url: str
    source: Path


@contextlib.contextmanager
def noted_board(settings: Settings, board: RunningBoard) -> Iterator[None]:
    """Let other commands find a board while the block runs.

    If the home is not writable, or its disk is full, the board runs nevertheless.
    """
    fd = _note(settings, board)
    try:
        yield
    finally:
        if fd is not None:
            with contextlib.suppress(OSError):
                _path(settings, os.getpid()).unlink()
            os.close(fd)


def board_of(settings: Settings, study: str) -> RunningBoard | None:
    """Return the running board that shows a study and the least besides it; None if none does.

    It does not use the network.
    """
    folder = settings.log_root / study
    found = [board for board in _running(settings) if folder.is_relative_to(board.source)]
    return max(found, key=lambda board: len(board.source.parts), default=None)


def _note(settings: Settings, board: RunningBoard) -> int | None:
    """Write the file of a board and return its descriptor, which holds the lock."""
    path = _path(settings, os.getpid())
    try:
        make_home(settings.home)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _running(settings, tidy=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except (OSError, SetupError):
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.pwrite(fd, json.dumps({"url": board.url, "source": str(board.source)}).encode(), 0)
    except OSError:
        os.close(fd)
        return None
    return fd


def _running(settings: Settings, *, tidy: bool = False) -> list[RunningBoard]:
    """Return the boards whose processes are alive; `tidy` removes the files of the others."""
    found = []
    with contextlib.suppress(OSError):
        paths = [path for path in (settings.home / "boards").iterdir() if path.name.isdecimal()]
        for path in paths[:_MOST]:
            board = _read(path, tidy=tidy)
            if board is not None:
                found.append(board)
    return found


def _read(path: Path, *, tidy: bool) -> RunningBoard | None:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if try_lock(fd):
            if tidy:
                path.unlink(missing_ok=True)
            return None
        document = json.loads(os.pread(fd, 1 << 16, 0))
        return RunningBoard(url=str(document["url"]), source=Path(document["source"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    finally:
        os.close(fd)


def _path(settings: Settings, pid: int) -> Path:
    return settings.home / "boards" / str(pid)
