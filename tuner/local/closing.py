"""What a home holds is for its owner alone: made so, and mended in homes of earlier releases."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from tuner.homes import DATABASE
from tuner.settings import Settings

_FILE, _FOLDER = 0o600, 0o700
#: What Tuner itself puts into a home. Anything else there is the user's, and is left as it is.
_FILES = (
    *(f"{DATABASE}{suffix}" for suffix in ("", "-wal", "-shm", "-journal")),
    *("service.json", "service.log", "port", "local-port", "token", "lock"),
)
_FOLDERS = ("redis", "runs", "fleets", "code")
_LOGS, _CHECKPOINTS = "logs", "checkpoints"


def close_home(home: Path) -> None:
    """Close to others what Tuner has put into a home; logs and checkpoints apart.

    The home itself is closed unless it holds something of the user's, as where `TUNER_HOME` names
    a folder that has other uses. What belongs to another account is left alone.
    """
    for name in _FILES:
        _close(home / name, _FILE)
    for name in _FOLDERS:
        _close(home / name, _FOLDER)
    with contextlib.suppress(OSError):
        if all(_is_known(name) for name in os.listdir(home)):  # noqa: PTH208 - no paths are needed
            _close(home, _FOLDER)


def close_roots(settings: Settings) -> None:
    """Make log root and checkpoint root of the home, closed to others.

    One that was named is shared as its operator wants, and keeps its mode.
    """
    for root, is_named in (
        (settings.log_root, settings.names_log_root),
        (settings.checkpoint_root, settings.names_checkpoint_root),
    ):
        if not is_named:
            with contextlib.suppress(OSError):
                root.mkdir(mode=_FOLDER, exist_ok=True)
            _close(root, _FOLDER)


def open_to_others(settings: Settings) -> list[Path]:
    """Return what of Tuner's own in a home others may enter, read or write."""
    found = [settings.home, *(settings.home / name for name in (*_FILES, *_FOLDERS))]
    found += [settings.log_root] if not settings.names_log_root else []
    found += [settings.checkpoint_root] if not settings.names_checkpoint_root else []
    return [path for path in found if _mode(path) & 0o077]


def _is_known(name: str) -> bool:
    known = (*_FILES, *_FOLDERS, _LOGS, _CHECKPOINTS)
    # Faults of ours and files that are being written: `error-….txt`, `.port.4711`.
    return name in known or name.startswith(("error-", "."))


def _close(path: Path, mode: int) -> None:
    """Take from others what they may do with a file or folder of this account; follow no link."""
    if not _mode(path) & 0o077:
        return
    with contextlib.suppress(OSError):
        is_folder = mode == _FOLDER
        # Never really opened: to close a file takes all locks of this process off it, and SQLite
        # has its own on the database. Without them another process removes its journal under it.
        handle = os.open(path, os.O_PATH | os.O_NOFOLLOW | (os.O_DIRECTORY if is_folder else 0))
        try:
            if os.fstat(handle).st_uid == os.geteuid():
                Path(f"/proc/self/fd/{handle}").chmod(mode)
        finally:
            os.close(handle)


def _mode(path: Path) -> int:
    try:
        found = path.lstat()
    except OSError:
        return 0
    return 0 if stat.S_ISLNK(found.st_mode) else stat.S_IMODE(found.st_mode)
