"""Signals that ask a worker to leave.

SIGTERM and SIGINT: the first one asks it to give back what it runs and to leave, a second one ends
it immediately. SIGUSR1 asks it to leave after its current trial.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from types import FrameType

#: A terminal and a supervisor may both forward one Ctrl-C: signals this close together count as
#: one.
SAME_SIGNAL_S = 1.0
#: Asks a worker to leave after its current trial; Slurm sends it before a job's time is up, if told
#: to (`--signal=USR1@600`).
AFTER_TRIAL = signal.SIGUSR1


class ShutdownNow(BaseException):
    """Raised out of an interruptible wait; not an Exception, so that no library swallows it."""


class Shutdown:
    """Whether this process was asked to leave. Mutable: signals arrive at any time.

    Only the main thread may create one.
    """

    def __init__(self) -> None:
        #: When the first signal arrived (monotonic), else None.
        self.requested_at: float | None = None
        #: Whether a second signal arrived: end everything now.
        self.forced = False
        #: Whether to leave after what is running has ended.
        self.after_trial = False
        self._interruptible = False
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        signal.signal(AFTER_TRIAL, self._on_after_trial)

    @property
    def requested(self) -> bool:
        """Whether the worker was asked to leave and to give back what it runs."""
        return self.requested_at is not None

    @property
    def takes_no_more(self) -> bool:
        """Whether the worker was asked to leave, now or after its trial."""
        return self.requested or self.after_trial

    def fileno(self) -> int:
        """Return a descriptor that becomes readable with a signal; `clear` empties it."""
        return self._reader.fileno()

    def clear(self) -> None:
        """Empty the descriptor."""
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(64):
                pass

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        """Make a signal raise `ShutdownNow` in this block; nothing in it may be worth finishing."""
        self._interruptible = True
        try:
            if self.takes_no_more:
                raise ShutdownNow
            yield
        finally:
            self._interruptible = False

    def sleep(self, duration_s: float) -> None:
        """Sleep until a signal arrives, at most."""
        deadline = time.monotonic() + duration_s
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        already = self._asked()
        while (left := deadline - time.monotonic()) > 0:
            poll.poll(left * 1000)
            self.clear()
            if self._asked() != already:
                return

    def _asked(self) -> tuple[float | None, bool, bool]:
        return self.requested_at, self.forced, self.after_trial

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.requested_at is None:
            self.requested_at = now
        elif now - self.requested_at > SAME_SIGNAL_S:
            self.forced = True
        if self._interruptible:
            raise ShutdownNow

    def _on_after_trial(self, _number: int, _frame: FrameType | None) -> None:
        self.after_trial = True
        if self._interruptible:
            raise ShutdownNow


def exit_quietly_on_signals() -> None:
    """Exit with status 0 on a signal, while the process is still starting and holds no trial."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        os._exit(0)

    for number in (signal.SIGTERM, signal.SIGINT, AFTER_TRIAL):
        signal.signal(number, leave)
