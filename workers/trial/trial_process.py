"""The process of a trial as its worker sees it: start, orders, messages, exit."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import time
from typing import Any

from workers.host.interpreter import python_command, scrubbed
from workers.host.linux import kill_group
from workers.host.memory import oom_kills
from workers.host.orphans import reap_orphans
from workers.objective.session import Word
from workers.objective.task import SHOW_STACK, Task
from workers.trial.channel import Channel, ChannelError
from workers.trial.fork_client import ForkClient

logger = logging.getLogger(__name__)


class TrialProcess:
    """A started process; made by `start_process`. Mutable: it runs, then it has an exit status.

    Args:
        pid: a child of this process, leader of a session and process group of its own.
        channel: this side's end.
        is_fork: whether it is a fork of the fork server.
    """

    def __init__(self, pid: int, channel: Channel, *, is_fork: bool) -> None:
        self.pid = pid
        self.is_fork = is_fork
        self.channel = channel
        #: Exit status or minus the signal; None until it is reaped.
        self.status: int | None = None
        self.was_killed = False
        self.was_asked_where = False
        self._pidfd = os.pidfd_open(pid)
        self._oom_kills = oom_kills()
        self._poll = select.poll()
        self._poll.register(channel.fileno(), select.POLLIN)
        self._poll.register(self._pidfd, select.POLLIN)

    def wait(self, timeout_s: float, *others: int) -> None:
        """Wait for a message, the exit of the process, or news on one of the `others`."""
        for fd in others:
            self._poll.register(fd, select.POLLIN)
        self._poll.poll(max(0.0, timeout_s) * 1000)
        if self.channel.closed:
            # Closed but alive (user code closed everything): only the exit is still of interest.
            with contextlib.suppress(KeyError):
                self._poll.unregister(self.channel.fileno())

    def messages(self) -> list[dict[str, Any]]:
        """Return new messages, without waiting; a process that sends invalid data is killed."""
        try:
            return self.channel.receive()
        except ChannelError as exc:
            logger.warning("the trial's process wrote into its channel", extra={"reason": str(exc)})
            self.kill()
            return []

    def tell(self, word: Word, step: int) -> None:
        """Forward an order, as the answer to the report of `step`."""
        self.channel.send_now({"word": word, "step": step})

    def has_ended(self) -> bool:
        """Return whether the process is dead; if so, reap it and kill what it left."""
        if self.status is not None:
            return True
        reap_orphans({self.pid})
        info = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if info is None:
            return False
        # Not reaped yet, so the number of the group cannot belong to another one.
        kill_group(self.pid)
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        return True

    def kill(self) -> None:
        """Kill the process and everything in its group; idempotent."""
        if self.status is None:
            self.was_killed = True
            kill_group(self.pid)
            # A process that has just been forked does not lead its group yet.
            os.kill(self.pid, signal.SIGKILL)

    def show_stack(self) -> None:
        """Make the process print its stack to its output, if it can still handle a signal."""
        if self.status is None:
            self.was_asked_where = True
            os.kill(self.pid, SHOW_STACK)

    def died_of_memory(self) -> bool:
        """Return whether the kernel, not this worker, killed it for memory."""
        killed = self.status == -signal.SIGKILL and not self.was_killed
        return killed and oom_kills() > self._oom_kills

    def close(self) -> None:
        """Kill what is left, and close the descriptors."""
        while not self.has_ended():
            self.kill()
            self.wait(1.0)
        os.close(self._pidfd)
        self.channel.close()


def start_process(task: Task, forks: ForkClient | None) -> TrialProcess:
    """Start the process of a trial: a fork, or a fresh interpreter if there can be none.

    Args:
        forks: the fork server; None: a fresh interpreter is wanted.

    Raises:
        OSError: there is no memory, or no pid, for one more process.
    """
    process = (None if forks is None else _fork(forks)) or _spawn()
    # It may be dead by now.
    with contextlib.suppress(OSError):
        process.channel.send(task.to_json())
    return process


def _fork(forks: ForkClient) -> TrialProcess | None:
    ours, theirs = socket.socketpair()
    with theirs:
        pid = forks.fork(theirs)
    if pid is None:
        # A fork that comes too late finds its channel closed, and exits.
        ours.close()
        return None
    return TrialProcess(pid, Channel(ours), is_fork=True)


def _spawn() -> TrialProcess:
    ours, theirs = socket.socketpair()
    with theirs:
        fd = theirs.fileno()
        process = subprocess.Popen(
            [*python_command(), "workers.trial.child", str(fd), str(os.getpid())],
            pass_fds=[fd],
            stdin=subprocess.DEVNULL,
            env=scrubbed(os.environ),
            start_new_session=True,
        )
    # It is reaped by its number; the object must not wait for it as well.
    process.returncode = 0
    return TrialProcess(process.pid, Channel(ours), is_fork=False)


def wait_for_end(process: TrialProcess, deadline: float) -> bool:
    """Wait until the process has ended, at most until `deadline`; return whether it has."""
    while not process.has_ended():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        process.wait(left)
    return True
