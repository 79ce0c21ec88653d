"""The kernel's count of processes killed for memory, in this process's control group."""

from __future__ import annotations

import functools
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def oom_kills() -> int:
    """Return how many processes the kernel has killed for memory so far; 0 if nothing counts."""
    path = _counter_path()
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    total = 0
    for line in lines:
        key, _, value = line.partition(" ")
        if key in ("oom_kill", "oom_group_kill") and value.isdecimal():
            total += int(value)
    return total


@functools.cache
def _counter_path() -> Path:
    """Return the file with the count: version 2 or 1 of the control groups, or the whole host's."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        inner = group.lstrip("/")
        if controllers == "":
            candidates = [_ROOT / inner / "memory.events", _ROOT / "memory.events"]
        elif "memory" in controllers.split(","):
            base = _ROOT / "memory"
            candidates = [base / inner / "memory.oom_control", base / "memory.oom_control"]
        else:
            continue
        for path in candidates:
            if path.is_file():
                return path
    return Path("/proc/vmstat")
