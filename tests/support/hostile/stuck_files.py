"""A file system that does not answer, as far as a test without rights can make one.

Calls that ask it about a file, or write one to it, wait in the process that has installed this, as
those to a network file system do whose server is away: they cannot be ended, and others go on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CALLS = ("fsync", "fstat", "fstatvfs")


def install(hold: Path) -> None:
    """Have calls wait while the file `hold` is there, for paths that contain the text in it."""
    for name in _CALLS:
        setattr(os, name, _waiting(getattr(os, name), hold))


def hold_up(hold: Path, text: str) -> None:
    """Have the calls of the process that was told of `hold` wait from now on."""
    temporary = hold.with_name(f"{hold.name}.new")
    temporary.write_text(text)
    temporary.replace(hold)


def _waiting(call: Callable[[int], Any], hold: Path) -> Callable[[int], Any]:
    def wait(fd: int) -> Any:
        while _is_held(fd, hold):
            time.sleep(0.02)
        return call(fd)

    return wait


def _is_held(fd: int, hold: Path) -> bool:
    try:
        return hold.read_text() in str(Path(f"/proc/self/fd/{fd}").readlink())
    except OSError:
        return False
