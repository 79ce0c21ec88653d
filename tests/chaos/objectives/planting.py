"""What a trial may leave where others open, list, write or remove: kinds and places, by name.

Used in the processes of the trials (`planting_trials`), and by the harness, which orders it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

#: Folder of the orders, and the guard folder that links lead to.
ORDERS, GUARD = "CHAOS_ORDERS", "CHAOS_GUARD"
SPARSE_BYTES = 3 * 1024**3
DEEP, MANY = 200_000, 1000
#: How long a process that left its trial lives, seconds; nobody else would end it.
LEFT_S = 15

#: Places where a file is expected, and such where a folder is.
FILES = ("trial.json", "config.json", "events", "output.log", "notes")
FOLDERS = ("run", "study", "_study", "project", "checkpoint", "checkpoints", "notes.d")


def _aside(path: Path) -> None:
    """Take away what is at a place; a folder goes on to exist beside it."""
    with contextlib.suppress(FileNotFoundError):
        path.rename(path.with_name(f"{path.name}.aside-{os.getpid()}"))


def _fifo(path: Path) -> None:
    _aside(path)
    os.mkfifo(path)


def _folder(path: Path) -> None:
    _aside(path)
    path.mkdir()
    (path / "inside").write_bytes(b"x")


def _file(path: Path) -> None:
    _aside(path)
    path.write_bytes(b"in place of a folder")


def _link(path: Path) -> None:
    """Lead to the guard: to the file of this name for a file, else to the folder."""
    guard = Path(os.environ[GUARD])
    _aside(path)
    path.symlink_to(guard / path.name if (guard / path.name).is_file() else guard)


def _loop(path: Path) -> None:
    _aside(path)
    path.symlink_to(path.name)


def _hard_link(path: Path) -> None:
    """Give a file of the guard a second name, or one of this folder where that is elsewhere."""
    _aside(path)
    try:
        path.hardlink_to(Path(os.environ[GUARD]) / "precious.txt")
    except OSError:
        other = path.with_name("other.txt")
        other.write_bytes(b"has two names")
        path.hardlink_to(other)


def _device(path: Path) -> None:
    """A device without an end, where we may make one; else a FIFO."""
    _aside(path)
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        os.mkfifo(path)


def _sparse(path: Path) -> None:
    _aside(path)
    with path.open("wb") as file:
        file.truncate(SPARSE_BYTES)


def _deep(path: Path) -> None:
    _aside(path)
    path.write_bytes(b"[" * DEEP)


def _many(path: Path) -> None:
    path.mkdir(exist_ok=True)
    for number in range(MANY):
        (path / f"trial_{number:05d}.json").touch()


def _renamed(path: Path) -> None:
    _aside(path)


def _removed(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)


def _process(path: Path) -> None:
    """Leave a process behind that has left the session as well."""
    path.touch()
    command = [sys.executable, "-c", f"import time; time.sleep({LEFT_S})"]
    subprocess.Popen(command, start_new_session=True)


def _output(path: Path) -> None:
    path.touch()
    os.write(1, b"\x1b]0;title\x07" + b"x" * 1_000_000 + b"\n")


PLANTS: Mapping[str, Callable[[Path], None]] = {
    "FIFO": _fifo,
    "folder": _folder,
    "file": _file,
    "link": _link,
    "loop": _loop,
    "hard link": _hard_link,
    "device": _device,
    "sparse file": _sparse,
    "deep JSON": _deep,
    "many files": _many,
    "renamed": _renamed,
    "removed": _removed,
    "process": _process,
    "output": _output,
}

_FOR_FILES = ("FIFO", "folder", "link", "loop", "hard link", "device", "sparse file", "deep JSON")
_FOR_FOLDERS = ("FIFO", "file", "link", "loop", "many files", "renamed", "removed")


def combinations() -> list[str]:
    """Return every order: what, and where."""
    return [
        *(f"{kind}@{place}" for kind in _FOR_FILES for place in FILES),
        *(f"{kind}@{place}" for kind in _FOR_FOLDERS for place in FOLDERS),
        *(f"{kind}@notes" for kind in ("process", "output")),
    ]
