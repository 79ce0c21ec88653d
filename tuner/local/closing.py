"""Restricts a home's files to its owner, including those from earlier releases."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from tuner.homes import DATABASE
from tuner.settings import Settings

_FILE, _FOLDER = 0o600, 0o700
#: Files that Tuner itself creates in a home. Anything else there is the user's and is left alone.
_FILES = (
    *(f"{DATABASE}{suffix}" for suffix in ("", "-wal", "-shm", "-journal")),
    *("service.json", "service.log", "port", "local-port", "token", "lock"),
)
_FOLDERS = ("redis", "runs", "fleets", "code")
_LOGS, _CHECKPOINTS = "logs", "checkpoints"


def close_home(home: Path) -> None:
    """Deny others access to what Tuner has put into a home, except logs and checkpoints.

    The home itself is closed unless it contains files of the user, e.g. because `TUNER_HOME` names
    a folder with other uses. What belongs to another account is left alone.
    """
    for name in _FILES:
        _close(home / name, _FILE)
    for name in _FOLDERS:
        _close(home / name, _FOLDER)
    with contextlib.suppress(OSError):
        if all(_is_known(name) for name in os.listdir(home)):  # noqa: PTH208 - no paths are needed
            _close(home, _FOLDER)


def close_roots(settings: Settings) -> None:
    """Create log root and checkpoint root of the home, closed to others.

    A root that was configured keeps its mode: its operator decides how it is shared.
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
    """Return what of Tuner's own files in a home others may enter, read or write."""
    found = [settings.home, *(settings.home / name for name in (*_FILES, *_FOLDERS))]
    found += [settings.log_root] if not settings.names_log_root else []
    found += [settings.checkpoint_root] if not settings.names_checkpoint_root else []
    return [path for path in found if _mode(path) & 0o077]


def _is_known(name: str) -> bool:
    known = (*_FILES, *_FOLDERS, _LOGS, _CHECKPOINTS)
    # Error reports of ours and files that are being written: `error-….txt`, `.port.4711`.
    return name in known or name.startswith(("error-", "."))


def _close(path: Path, mode: int) -> None:
    """Deny others access to a file or folder of this account; does not follow links."""
    if not _mode(path) & 0o077:
        return
    with contextlib.suppress(OSError):
        is_folder = mode == _FOLDER
        # Opened with O_PATH only: closing a file would release all locks of this process on it, and
        # SQLite holds some on the database. Without them another process would remove the journal
        # that is in use.
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
