"""A log root that can be made full or read-only while it is in use.

With the right to mount it is a file system of its own. Without, a plain file takes its place: then
nothing can be written either, with another error.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_libc = ctypes.CDLL(None, use_errno=True)

#: The least size of a file system in memory.
_PAGE = 4096


class LogRoot:
    """The folder and what harms it. Mutable: one harm at a time, ended by `heal`.

    Args:
        path: made here.
        size_mb: of the file system; taken from memory only as it fills.
        may_mount: whether to try to make one.
    """

    def __init__(self, path: Path, size_mb: int, *, may_mount: bool = True) -> None:
        self.path = path
        self._size_mb = size_mb
        path.mkdir(parents=True)
        options = ("-t", "tmpfs", "-o", f"size={size_mb}m", "chaos")
        self.is_mount = may_mount and _mount(*options, path)
        #: The same files, for reading only: nobody writes there, so it can be made so.
        self._reading = path.with_name(f"{path.name}.reading")
        if self.is_mount:
            self._reading.mkdir()
            assert _mount("--bind", path, self._reading)
            assert _mount("-o", "remount,bind,ro", self._reading)
        self._harm = ""

    def fill(self) -> str:
        """Leave no room in it; return how."""
        if not self.is_mount:
            return self._block()
        # Shrunk to what it holds, which may have grown meanwhile. (Size 0 would be without end, and
        # could never be made smaller again.)
        while not _mount("-o", f"remount,size={max(self._used(), _PAGE)}", self.path):
            pass
        self._harm = "full"
        return self._harm

    def make_read_only(self) -> str:
        """Have it opened for reading only; return how. Files that are open stay as they are."""
        if not self.is_mount:
            return self._block()
        # A mount of a mount is as read-only as that.
        assert _mount("--bind", self._reading, self.path)
        self._harm = "read-only"
        return self._harm

    def heal(self) -> None:
        """End the harm."""
        harm, self._harm = self._harm, ""
        if harm == "full":
            assert _mount("-o", f"remount,size={self._size_mb}m", self.path)
        elif harm == "read-only":
            assert _unmount(self.path)
        elif harm == "blocked":
            self._swap()
            self._aside().unlink()

    def remove(self) -> None:
        """Heal and unmount; the folder stays, and so do its files where it is no mount."""
        self.heal()
        if self.is_mount:
            _unmount(self._reading)
            _unmount(self.path)

    def keep(self, target: Path) -> None:
        """Copy everything out of the file system, to be looked at later."""
        if self.is_mount:
            subprocess.run(["cp", "-a", f"{self.path}/.", str(target)], check=False)

    def _used(self) -> int:
        stat = os.statvfs(self.path)
        return (stat.f_blocks - stat.f_bfree) * stat.f_frsize

    def _block(self) -> str:
        self._aside().write_bytes(b"")
        self._swap()
        self._harm = "blocked"
        return self._harm

    def _swap(self) -> None:
        """Exchange folder and file in one step: between two, somebody would make a new folder."""
        names = os.fsencode(self.path), os.fsencode(self._aside())
        if _libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) != 0:
            raise OSError(ctypes.get_errno(), f"cannot exchange {names}")

    def _aside(self) -> Path:
        return self.path.with_name(f"{self.path.name}.aside")


def damage(folder: Path, how: str) -> Path | None:
    """Damage the newest event file of a run: `truncated` or `garbage`; None: there is none."""
    files = sorted(folder.glob("events.out.tfevents.*"))
    if not files:
        return None
    size = files[-1].stat().st_size
    with files[-1].open("r+b") as file:
        if how == "truncated":
            file.truncate(size - min(size, 7))
        else:
            file.seek(0, os.SEEK_END)
            file.write(bytes(range(256)) * 4)
    return files[-1]


def _mount(*arguments: object) -> bool:
    command = ["mount", *map(str, arguments)]
    return _run(command)


def _unmount(path: Path) -> bool:
    # Lazily: a process that stands in it must not keep it.
    return _run(["umount", "-l", str(path)])


def _run(command: list[str]) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    return False
