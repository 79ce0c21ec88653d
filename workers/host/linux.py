"""The calls to the Linux kernel that Python has no name for."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1
#: By so much a trial's process is the likelier victim; its worker holds TensorFlow in memory too.
OOM_SCORE = 300

# Loaded before any fork: loading a library in a forked child may deadlock.
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when `parent` dies, for whatever reason.

    The request is tied to the *thread* that started this process: start from the main one.

    Args:
        parent: process id; when it is no longer the parent, this process ends at once.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def be_killed_first() -> None:
    """Have the kernel, when memory runs out, kill this process rather than its worker.

    Raising one's own score is always allowed; a score is in thousandths of the memory there is.
    """
    path = Path("/proc/self/oom_score_adj")
    with contextlib.suppress(OSError, ValueError):
        path.write_text(str(min(1000, int(path.read_text()) + OOM_SCORE)))


def thread_count() -> int:
    """Return the number of threads of this process, those of C++ libraries included."""
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - Path.iterdir costs ten times as much


def kill_group(pid: int) -> None:
    """Kill the process group of `pid`; none is none."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
