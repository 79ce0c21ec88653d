"""A folder beside the roots that nobody may open, change or remove anything in."""

from __future__ import annotations

import ctypes
import hashlib
import os
import struct
from pathlib import Path
from types import TracebackType

#: Stands in every file of the folder: it must not appear in any answer, log or file.
SECRET = "the-guarded-secret-4f1d"
#: What the folder holds: names that the product uses, at every level below a root, so that a link
#: to it in the place of any folder leads to something.
FILES = (
    "precious.txt",
    "trial.json",
    "config.json",
    "output.log",
    "output.log.1",
    "events.out.tfevents.1.guard.1.0",
    "epoch-00001.weights.h5",
    "epoch-00001.curve.json",
)

_NAMES = {
    0x1: "read",
    0x2: "changed",
    0x8: "closed after writing",
    0x20: "opened",
    0x40: "a name moved away",
    0x80: "a name moved in",
    0x100: "a name made",
    0x200: "a name removed",
    0x400: "removed",
    0x800: "moved",
}
_EVENT = struct.Struct("iIII")


class Guard:
    """Sees every use of a folder, by any process of this machine; use it in a `with` block.

    Args:
        folder: is made, with `FILES` in it and in folders of the names given.
        inner: paths of folders to be made in it, such as "study/trial_00001".
    """

    def __init__(self, folder: Path, inner: tuple[str, ...] = ()) -> None:
        self.folder = folder
        for relative in ("", *inner):
            (folder / relative).mkdir(parents=True, exist_ok=True)
            for name in FILES:
                (folder / relative / name).write_text(f"{SECRET} {relative}/{name}\n")
        self._before = self._content()
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._watched: dict[int, Path] = {}
        for path in self._paths():
            watch = libc.inotify_add_watch(self._fd, os.fsencode(path), sum(_NAMES))
            assert watch > 0, os.strerror(ctypes.get_errno())
            self._watched[watch] = path

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        os.close(self._fd)

    def uses(self) -> list[str]:
        """Return what was done to the folder since the last call, or since it was made."""
        found = []
        while data := self._read():
            at = 0
            while at < len(data):
                watch, mask, _, length = _EVENT.unpack_from(data, at)
                at += _EVENT.size
                name = data[at : at + length].rstrip(b"\0").decode(errors="replace")
                at += length
                what = ", ".join(text for bit, text in _NAMES.items() if mask & bit)
                if what:
                    found.append(f"{self._watched[watch] / name}: {what}")
        return list(dict.fromkeys(found))

    def check(self) -> None:
        """Assert that nobody has opened, read, changed, made or removed anything in it.

        Raises:
            AssertionError: somebody has; says what.
        """
        used = self.uses()
        assert not used, f"used outside of the roots: {used[:20]}"
        assert self._content() == self._before, f"{self.folder} has changed"
        self.uses()  # by this check itself

    def _read(self) -> bytes:
        try:
            return os.read(self._fd, 1 << 16)
        except BlockingIOError:
            return b""

    def _paths(self) -> list[Path]:
        return [self.folder, *sorted(self.folder.rglob("*"))]

    def _content(self) -> dict[str, str]:
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
            for path in self._paths()
        }
