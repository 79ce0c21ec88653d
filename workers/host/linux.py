"""Linux system calls without a function in Python."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
#: Added to a trial's OOM score: its worker, and the fork server with TensorFlow, must survive.
OOM_SCORE = 300

# Loaded before any fork: loading a library in a forked child may deadlock.
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Make the kernel kill this process when `parent` dies, for whatever reason.

    The request is tied to the *thread* that started this process, or to the one that has adopted
    it: start it from the main thread.

    Args:
        parent: process id; if it is no longer the parent, this process exits immediately.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def be_killed_first() -> None:
    """Make the kernel, when memory runs out, kill this process rather than its worker.

    Raising one's own score is always allowed; a score is in thousandths of the total memory.
    """
    path = Path("/proc/self/oom_score_adj")
    with contextlib.suppress(OSError, ValueError):
        path.write_text(str(min(1000, int(path.read_text()) + OOM_SCORE)))


def set_process_name(name: str) -> None:
    """Set the name under which `ps` and `top` show this process, at most 15 bytes."""
    _libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def thread_count() -> int:
    """Return the number of threads of this process, including those of C++ libraries."""
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - Path.iterdir costs ten times as much


def kill_group(pid: int) -> None:
    """Kill the process group of `pid`; it may be gone."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
