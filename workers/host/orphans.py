"""Processes that a trial has started and left behind: they end with it, wherever they went.

A process that leaves its session and its parent (a daemon, `nohup … &` in a shell that ends) would
outlive the trial, and keep its memory on a GPU. The kernel assigns such orphans to the nearest
ancestor that requests them: the worker, or its supervisor if the worker has died.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import select
import signal
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from workers.host.devices import memory_in_use

logger = logging.getLogger(__name__)

_PR_SET_CHILD_SUBREAPER = 36
#: Seconds after which a process that the kernel has not ended must be waiting for a device or a
#: network disk.
END_S = 5.0
_NAME_CHARS = 80
#: Fields 4 and 5 of proc(5), counted from the third.
_PARENT, _GROUP = 1, 2

_libc = ctypes.CDLL(None, use_errno=True)
_is_adopting = False


@dataclass(frozen=True, kw_only=True)
class Orphan:
    """A process that was left behind."""

    pid: int
    #: Its process group.
    group: int
    #: Its command line, shortened.
    command: str


def adopt_orphans() -> None:
    """Make orphans among this process's descendants its children, from now on.

    For a process that starts only processes that it later names as its own.
    """
    global _is_adopting
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _is_adopting = True


def find_orphans(own: Collection[int]) -> list[Orphan]:
    """Return the living children of this process that it did not start itself."""
    if not _is_adopting:
        return []
    return [
        Orphan(pid=pid, group=group, command=_command(pid))
        for pid in _children()
        if pid not in own and (group := _stat(Path(f"/proc/{pid}"), _GROUP)) is not None
    ]


def reap_orphans(own: Collection[int]) -> None:
    """Reap dead orphans, so that the kernel forgets them."""
    while _is_adopting:
        try:
            dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if dead is None or dead.si_pid in own:
            return
        with contextlib.suppress(ChildProcessError):
            os.waitpid(dead.si_pid, 0)


def end_orphans(own: Collection[int]) -> list[Orphan]:
    """Kill all orphans, and those that become orphans by that; return them."""
    ended: dict[int, Orphan] = {}
    deadline = time.monotonic() + END_S
    while found := find_orphans(own):
        for orphan in found:
            ended.setdefault(orphan.pid, orphan)
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan.pid, signal.SIGKILL)
        # Not `time.sleep`, which fails if the fault tests give a process another clock.
        select.select([], [], [], 0.005)
        for orphan in found:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(orphan.pid, os.WNOHANG)
        if time.monotonic() > deadline:
            logger.error("processes cannot be ended", extra={"processes": describe(found)})
            break
    return list(ended.values())


def end_left_behind(trial: int, gpus: Sequence[str], *, own: Collection[int]) -> str:
    """End what a trial has left behind; return a description of it, empty if there was nothing.

    Args:
        trial: process id of the trial, which is dead, as is everything that stayed in its group.
        gpus: UUIDs of the worker's devices, whose memory the orphans may hold.
        own: processes that outlive the trial.
    """
    reap_orphans(())
    if not [orphan for orphan in find_orphans(own) if orphan.group != trial]:
        end_orphans(own)
        return ""
    # The library identifies processes by the host's numbers, which a container does not have.
    before = memory_in_use(gpus)
    ended = [orphan for orphan in end_orphans(own) if orphan.group != trial]
    after = memory_in_use(gpus)
    text = "ended with the trial, though they had left it: " + "; ".join(describe(ended))
    freed = [
        f"{(before[gpu] - after[gpu]) / 1e6:,.0f} MB of memory of GPU {gpu}"
        for gpu in gpus
        if before[gpu] > after[gpu]
    ]
    return f"{text}; with it {' and '.join(freed)} came free" if freed else text


def describe(orphans: Collection[Orphan]) -> list[str]:
    """Return the processes in the form for a log."""
    return [f"{orphan.command} (process {orphan.pid})" for orphan in orphans]


def _children() -> list[int]:
    """Return the children of this process, including dead ones, of any thread."""
    found: list[int] = []
    try:
        for task in Path("/proc/self/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    except FileNotFoundError:
        # The kernel lacks these lists.
        return _children_by_search()
    return found


def _children_by_search() -> list[int]:
    me = os.getpid()
    processes = Path("/proc").glob("[0-9]*")
    return [int(path.name) for path in processes if _stat(path, _PARENT) == me]


def _stat(process: Path, field: int) -> int | None:
    """Return one of the kernel's numbers about a process; None if it is gone."""
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[field])
    except OSError:
        return None


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        name = b" ".join(words).strip() or Path(f"/proc/{pid}/comm").read_bytes().strip()
    except OSError:
        return "(ended)"
    text = name.decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "?" for c in text)[:_NAME_CHARS]
