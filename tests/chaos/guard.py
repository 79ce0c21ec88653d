"""A folder beside the roots that nobody may read, write or change, however tempting it is.

Planted links lead to it. Its files have the names that server, workers and TensorBoard look for.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import select
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

#: In every file, so that it is found in an answer too.
SECRET = "guard-5ecr3t-9b1d"
RUN_FILES = (
    "trial.json",
    "config.json",
    "output.log",
    "events.out.tfevents.1790000000.guard.1.0.v2",
)
#: The folders that a study has in the roots, also by the names of the studies that are deleted.
FOLDERS = (
    ".", "_study", "trial_00000", "trial_00001", "trial_00000-20261122T000000Z",
    "planting", "planting/trial_00000", "planting/_study", "victim", "victim/trial_00000",
    "victim/_study",
)  # fmt: skip

_IN_ACCESS, _IN_MODIFY, _IN_ATTRIB, _IN_OPEN = 0x1, 0x2, 0x4, 0x20
_IN_MOVED, _IN_CREATE, _IN_DELETE = 0xC0, 0x100, 0x200
_IN_DONT_FOLLOW, _IN_ONLYDIR = 0x2000000, 0x1000000
_WATCHED = {
    _IN_OPEN: "opened",
    _IN_ACCESS: "read",
    _IN_MODIFY: "written",
    _IN_ATTRIB: "its attributes changed",
    _IN_MOVED: "moved",
    _IN_CREATE: "made",
    _IN_DELETE: "removed",
}
_EVENT = struct.Struct("iIII")
#: Several of the same are one.
_SHOWN = 20
_libc = ctypes.CDLL(None, use_errno=True)

#: Of every path below the guard: kind and mode, size, time of the last change, hash.
Facts = dict[str, tuple[int, int, int, str]]


class Guard:
    """The folder and what is known of it. Mutable: it is watched from `watch` to `close`.

    Args:
        path: made here.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        for folder in FOLDERS:
            (path / folder).mkdir(parents=True)
            for name in (*RUN_FILES, "precious.txt"):
                (path / folder / name).write_text(f"{SECRET} {folder}/{name}\n")
        (path / "victim" / "precious.txt").chmod(0o640)
        self._facts = _facts(path)
        self._touched: dict[str, None] = {}
        self._stop, self._wake = os.pipe()
        self._watcher: threading.Thread | None = None

    def watch(self) -> None:
        """Note whoever opens, reads or changes anything in it from now on."""
        fd = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        assert fd >= 0, os.strerror(ctypes.get_errno())
        folders: dict[int, Path] = {}
        mask = _IN_DONT_FOLLOW | _IN_ONLYDIR
        for event in _WATCHED:
            mask |= event
        for folder in (self.path, *(p for p in self.path.rglob("*") if p.is_dir())):
            number = _libc.inotify_add_watch(fd, os.fsencode(folder), mask)
            assert number >= 0, os.strerror(ctypes.get_errno())
            folders[number] = folder
        # What looking for the folders itself has done is not theirs.
        with contextlib.suppress(BlockingIOError):
            os.read(fd, 1 << 20)
        self._watcher = threading.Thread(target=self._note, args=(fd, folders), daemon=True)
        self._watcher.start()

    def violations(self) -> Iterator[str]:
        """Yield what was done to it; ends the watch."""
        self.close()
        for what in list(self._touched)[:_SHOWN]:
            yield f"outside the roots: {what}"
        found = _facts(self.path)
        for path in sorted(self._facts.keys() | found.keys()):
            before, after = self._facts.get(path), found.get(path)
            if before != after:
                yield f"outside the roots: {path} is {after}, it was {before}"

    def close(self) -> None:
        """Watch no longer."""
        if self._watcher is not None:
            os.write(self._wake, b"x")
            self._watcher.join(10)
            self._watcher = None

    def _note(self, fd: int, folders: dict[int, Path]) -> None:
        with contextlib.closing(os.fdopen(fd, "rb", buffering=0)) as events:
            is_over = False
            while not is_over:
                is_over = self._stop in select.select([events, self._stop], [], [])[0]
                while block := events.read(1 << 16):
                    self._note_events(block, folders)

    def _note_events(self, block: bytes, folders: dict[int, Path]) -> None:
        while block:
            number, bits, _, size = _EVENT.unpack_from(block)
            name = os.fsdecode(block[_EVENT.size : _EVENT.size + size].rstrip(b"\0"))
            block = block[_EVENT.size + size :]
            path = (folders.get(number, self.path) / name).relative_to(self.path)
            for event, said in _WATCHED.items():
                if bits & event:
                    self._touched.setdefault(f"{path} was {said}")


def _facts(root: Path) -> Facts:
    found: Facts = {}
    for path in (root, *sorted(root.rglob("*"))):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(root))] = (
            status.st_mode,
            status.st_size,
            status.st_mtime_ns,
            hashlib.sha256(content).hexdigest()[:16],
        )
    return found
