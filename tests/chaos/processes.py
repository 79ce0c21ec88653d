"""Processes of this host, as the kernel shows them."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def children(pid: int) -> list[int]:
    """Return the processes that `pid` has started and that are not reaped."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def state(pid: int) -> str:
    """Return the kernel's letter for the state of a process (T: stopped); empty: there is none."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return ""


def is_alive(pid: int) -> bool:
    """Whether a process runs or is stopped."""
    return state(pid) not in ("", "Z", "X")


def send(pid: int, number: signal.Signals) -> bool:
    """Send a signal; return whether the process was alive."""
    if not is_alive(pid):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False
