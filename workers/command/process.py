"""The process of a command: its output, the signals that end it, its exit status."""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from workers.command.errors import CommandError
from workers.host.linux import die_with_parent, kill_group

#: Seconds from SIGTERM until it is killed; a worker that must leave grants 10 s in total.
GRACE_S = 8.0
#: Seconds to wait for processes that hold the output open after the command has ended.
DRAIN_S = 1.0
_READ_BYTES = 65_536


class CommandProcess:
    """A running command, in its own process group. Mutable: it runs, then it has a status.

    Its standard error goes where this process's goes; its standard output is read here.

    Args:
        arguments: the first is the program.
        folder: the folder that it runs in.
        environ: its complete environment.

    Raises:
        CommandError: it cannot be started.
    """

    def __init__(self, arguments: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        parent = os.getpid()
        try:
            self._process = subprocess.Popen(
                arguments,
                cwd=folder,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                process_group=0,
                # This process has a single thread, and dies before its worker does.
                preexec_fn=lambda: die_with_parent(parent),
            )
        except (OSError, ValueError, subprocess.SubprocessError) as exc:
            raise CommandError(f"the command cannot be started: {exc}") from exc
        if self._process.stdout is None:
            raise AssertionError("unreachable: the output is a pipe")
        self._output = self._process.stdout
        os.set_blocking(self._output.fileno(), False)
        self._poll = select.poll()
        self._poll.register(self._output.fileno(), select.POLLIN)
        self._kill_at = math.inf
        self._drain_until = math.inf
        self._is_open = True

    @property
    def status(self) -> int:
        """Exit status or minus the signal, once `read` has returned None."""
        return self._process.returncode

    @property
    def is_told_to_end(self) -> bool:
        """Whether it was sent SIGTERM."""
        return self._kill_at < math.inf

    def read(self, timeout_s: float) -> bytes | None:
        """Return new output, after at most `timeout_s` seconds; None when it has ended."""
        now = time.monotonic()
        if now >= self._kill_at:
            kill_group(self._process.pid)
        if self._is_open:
            self._poll.poll(timeout_s * 1000)
            data = self._take()
            if data:
                return data
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
        if self._process.poll() is None:
            return b""
        self._drain_until = min(self._drain_until, time.monotonic() + DRAIN_S)
        if self._is_open and time.monotonic() < self._drain_until:
            return b""
        return None

    def tell_to_end(self) -> None:
        """Send SIGTERM to its group; what is left after `GRACE_S` is killed."""
        if not self.is_told_to_end:
            self._kill_at = time.monotonic() + GRACE_S
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGTERM)

    def close(self) -> None:
        """Kill what is left of its group, and reap it."""
        kill_group(self._process.pid)
        self._process.wait()
        self._output.close()

    def _take(self) -> bytes:
        try:
            data = os.read(self._output.fileno(), _READ_BYTES)
        except BlockingIOError:
            return b""
        self._is_open = bool(data)
        return data
