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


def name(pid: int) -> str:
    """Return the name under which `ps` shows a process; empty: there is none."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def fork_server(worker: int) -> int | None:
    """Return the process that a worker forks its trials from; None: there is none now."""
    found = [pid for pid in children(worker) if name(pid) == "tuner-forks" and is_alive(pid)]
    return found[0] if found else None


def trials(worker: int) -> list[int]:
    """Return the processes of a worker's trials, forked or fresh."""
    return [
        pid
        for pid in children(worker)
        if name(pid) == "tuner-trial" or b"workers.trial.child" in _command(pid)
    ]


def insights(server: int) -> list[int]:
    """Return the processes in which a server computes insights."""
    return [pid for pid in children(server) if b"tuner.service.insights" in _command(pid)]


def _command(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def state(pid: int) -> str:
    """Return the kernel's letter for the state of a process (T: stopped); empty: there is none."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return ""


def is_alive(pid: int) -> bool:
    """Whether a process runs or is stopped."""
    return state(pid) not in ("", "Z", "X")


def start_peak(pid: int) -> float:
    """Have the kernel measure the peak of a process's memory anew; return its memory now, MB."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    return peak_mb(pid)


def peak_mb(pid: int) -> float:
    """Return the most memory that a process had since `start_peak`, MB; 0 when it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def send(pid: int, number: signal.Signals) -> bool:
    """Send a signal; return whether the process was alive."""
    if not is_alive(pid):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False
