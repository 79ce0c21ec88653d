"""A clock that runs as fast as the machine gets on, for tests that wait for processes.

On a machine whose cores are shared by three times as many busy processes, everything takes three
times as long, and a limit in seconds says nothing of the product. Limits are in seconds of this
clock: it is the wall clock on a machine with an idle core, and slower on a busy one.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Where the kernel says how many threads could run now: the fourth field, before the slash.
_LOADAVG = Path("/proc/loadavg")
_SAMPLE_S = 0.05
#: Of a pause between two looks: at most so long, and at most this share of what was waited before.
_MOST_PAUSE_S, _PAUSE_SHARE = 0.2, 0.05
#: However busy the machine is, what hangs is found in the end.
_LEAST_SHARE = 1 / 16


def clock() -> float:
    """Return seconds since some moment, to be compared with other answers of this process."""
    return _MACHINE.seconds()


def wait_until(holds: Callable[[], Any], what: str, *, seconds: float = 60.0) -> Any:
    """Return the first true value of a condition.

    Args:
        holds: the condition; asked again and again.
        what: for the error, what was waited for.
        seconds: of this clock, at most.

    Raises:
        AssertionError: it did not come.
    """
    began = clock()
    while not (found := holds()):
        assert clock() < began + seconds, f"waited {seconds:g} s in vain: {what}"
        pause_since(began)
    return found


def pause_since(began: float, least_s: float = 0.02) -> None:
    """Sleep before a condition is looked at again: the longer, the longer was waited for it.

    A look costs a server and its test some milliseconds of the machine that both wait for.

    Args:
        began: when the waiting began, by `clock()`.
        least_s: the first pauses, seconds.
    """
    time.sleep(max(least_s, min(_PAUSE_SHARE * (clock() - began), _MOST_PAUSE_S)))


def hold(holds: Callable[[], Any], what: str, *, seconds: float) -> None:
    """See that a condition holds for a while: for what must not happen, whoever has the chance.

    Args:
        holds: the condition; asked again and again.
        what: for the error, the claim.
        seconds: of this clock; on a busy machine the others so have as much of a chance.

    Raises:
        AssertionError: once it did not hold.
    """
    end = clock() + seconds
    while True:
        assert holds(), f"not any more: {what}"
        if clock() > end:
            return
        time.sleep(0.02)


def wait_end(process: subprocess.Popen[Any], seconds: float) -> int:
    """Return the status that a process ends with.

    Raises:
        AssertionError: it still runs after so many seconds of this clock.
    """
    deadline = clock() + seconds
    while (status := process.poll()) is None:
        assert clock() < deadline, f"process {process.pid} still runs after {seconds:g} s"
        time.sleep(0.01)
    return status


def read_to_end(process: subprocess.Popen[str], seconds: float) -> tuple[str, str]:
    """Return what a process says, on both its streams, until it ends.

    Raises:
        subprocess.TimeoutExpired: it still runs after so many seconds of this clock; it is killed.
    """
    deadline = clock() + seconds
    while True:
        try:
            # What was read before a timeout is not lost: the next call returns it too.
            said, complained = process.communicate(timeout=0.5)
        except subprocess.TimeoutExpired:
            if clock() > deadline:
                process.kill()
                raise
        else:
            return said or "", complained or ""


class _Machine:
    """Adds up the time that passes, each moment times the share of a core that a process gets."""

    def __init__(self) -> None:
        self._cores = len(os.sched_getaffinity(0))
        self._counted = 0.0
        self._begin()
        # A thread does not outlive a fork: the child counts on with one of its own.
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._at = time.monotonic()

    def seconds(self) -> float:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, daemon=True)
                self._thread.start()
            self._count()
            return self._counted

    def _watch(self) -> None:
        while True:
            time.sleep(_SAMPLE_S)
            with self._lock:
                self._count()

    def _count(self) -> None:
        now = time.monotonic()
        self._counted += (now - self._at) * share(_runnable(), self._cores)
        self._at = now


def share(runnable: int, cores: int) -> float:
    """Return the share of a core that each of so many threads gets, at most 1."""
    return max(min(1.0, cores / max(runnable, 1)), _LEAST_SHARE)


def _runnable() -> int:
    return int(_LOADAVG.read_text().split()[3].partition("/")[0])


_MACHINE = _Machine()
