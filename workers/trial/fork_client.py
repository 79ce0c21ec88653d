"""The fork server as its worker sees it: start, readiness, forks, and a new one after its death.

Once a worker works it never waits for its fork server: a trial that comes while there is none gets
a fresh interpreter.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import socket
import subprocess
import time
from typing import Any

from workers.host.interpreter import python_command, scrubbed
from workers.trial.fork_server import MESSAGE_BYTES, Forked, Imported

logger = logging.getLogger(__name__)

#: Seconds for a fork, which takes milliseconds: who does not answer was stopped, or hangs.
FORK_S = 5.0
#: Seconds until a new one is started, if this one could never fork, or must not any more: the next
#: one may end like it.
REST_S = 10.0


class ForkClient:
    """The connection to the fork server. Mutable: it gets ready, dies, and is started again.

    Args:
        preimport: which backend of Keras it imports, as in `preimport` of workers/backends.
        name: of the worker.
    """

    def __init__(self, preimport: str, name: str) -> None:
        self._arguments = (str(os.getpid()), preimport, name)
        #: What every fork has in memory from its start; the latest one that got ready said so.
        self.imported = Imported(backend=None, facts={})
        #: Its process, a child of this one; None if there is none.
        self.pid: int | None = None
        self._control: socket.socket | None = None
        self._is_ready = False
        self._start_at = 0.0
        self._start()

    def wait_ready(self) -> None:
        """Wait until it has imported everything, for as long as that takes, or has died."""
        self._hear_of_imports(None)

    def can_fork(self) -> bool:
        """Return whether it is ready, without waiting; if there is none, start one."""
        if self._is_ready and self._has_news(0.0):
            # It says nothing unasked, so this is the end of its connection.
            self._give_up("it died")
        if self._control is None:
            if time.monotonic() < self._start_at:
                return False
            self._start()
        self._hear_of_imports(0.0)
        return self._is_ready

    def fork(self, channel: socket.socket) -> int | None:
        """Return the process of a trial, a child of this one that waits for its task.

        None if it cannot be forked.

        Args:
            channel: the trial's end.
        """
        if self._control is None:
            return None
        try:
            socket.send_fds(self._control, [b"fork"], [channel.fileno()])
        except OSError as exc:
            self._give_up(str(exc))
            return None
        answer = self._receive(FORK_S)
        if answer is None:
            return None
        forked = Forked(**answer)
        if forked.pid is None:
            self._give_up(forked.reason, rest_s=REST_S)
        return forked.pid

    def close(self) -> None:
        """End it; a fork does not end with it."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
        if self._control is not None:
            self._control.close()
        self.pid = self._control = None
        self._is_ready = False

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            fd = theirs.fileno()
            try:
                process = subprocess.Popen(
                    [*python_command(), "workers.trial.fork_server", str(fd), *self._arguments],
                    pass_fds=[fd],
                    stdin=subprocess.DEVNULL,
                    env=scrubbed(os.environ),
                    start_new_session=True,
                )
            except OSError as exc:
                ours.close()
                self._give_up(str(exc))
                return
        # It is reaped by its number; the object must not wait for it as well.
        process.returncode = 0
        self.pid, self._control = process.pid, ours

    def _hear_of_imports(self, timeout_s: float | None) -> None:
        if self._control is None or self._is_ready:
            return
        if timeout_s is None or self._has_news(timeout_s):
            answer = self._receive(timeout_s)
            if answer is not None:
                self.imported = Imported(**answer)
                self._is_ready = True

    def _receive(self, timeout_s: float | None) -> dict[str, Any] | None:
        """Return its next message; None if there is none in time, and there will be none."""
        data = b""
        if self._control is not None and self._has_news(timeout_s):
            with contextlib.suppress(OSError):
                data = self._control.recv(MESSAGE_BYTES)
        if not data:
            self._give_up("it died" if self._has_news(0.0) else "it does not answer")
            return None
        answer: dict[str, Any] = json.loads(data)
        return answer

    def _has_news(self, timeout_s: float | None) -> bool:
        """Whether there is a message, or its end of the connection is closed."""
        if self._control is None:
            return False
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        return bool(poll.poll(None if timeout_s is None else timeout_s * 1000))

    def _give_up(self, reason: str, rest_s: float | None = None) -> None:
        if rest_s is None:
            rest_s = 0.0 if self._is_ready else REST_S
        facts = {"reason": reason, "restart_s": rest_s}
        logger.warning("no fork server: trials get a fresh interpreter", extra=facts)
        self.close()
        self._start_at = time.monotonic() + rest_s
