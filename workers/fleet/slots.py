"""Device slots of a host and their workers; a slot keeps its devices over a restart."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from typing import Any

from workers.host.interpreter import python_command
from workers.host.linux import kill_group
from workers.host.shutdown import AFTER_TRIAL

logger = logging.getLogger(__name__)

FIRST_RESPAWN_S = 0.2
LAST_RESPAWN_S = 10.0
#: Seconds before a worker that does not fit the server is restarted, from what is installed by
#: then.
LAST_REFUSED_S = 30.0
#: Seconds after which a worker counts as having started well.
STABLE_S = 30.0
#: Exit statuses that a new process would only repeat: settings, token.
HOPELESS = (2, 4)
#: Exit status: its release, or its version of the protocol, does not fit the server.
REFUSED = 3


class Slot:
    """The devices of one worker, and its process. Mutable: processes start and end.

    Args:
        number: from 0; the worker's name ends with it.
        device: "cpu" or "gpu:UUID", several GPUs separated by commas.
        command: of the worker, without `--name`, `--device`, `--keeper`, `--parent` and
            `--status-fd`.
        prefix: of the worker's name.
        keeper: identifies the supervisor: it starts a process in the slot only if there is none.
        may_be_renewed: whether a worker that the server refuses is restarted, from what is
            installed by then.
    """

    def __init__(
        self,
        number: int,
        device: str,
        command: list[str],
        prefix: str,
        keeper: str,
        *,
        may_be_renewed: bool = True,
    ) -> None:
        self.number = number
        self.device = device
        self.name = f"{prefix}-{number}"
        self.state = "stopped"
        #: Why the server refuses the worker that is installed here.
        self.reason = ""
        #: Whether it was asked to leave: it is then not replaced.
        self.is_leaving = False
        #: Whether it left without being asked here: the server drained it and wants no replacement.
        self.was_drained = False
        #: Why no further process is started here.
        self.hopeless: int | None = None
        self._hopeless = HOPELESS if may_be_renewed else (*HOPELESS, REFUSED)
        #: Whether it was asked to give back what it runs, and not only to leave afterwards.
        self._is_hurried = False
        self._command = [*command, f"--keeper={keeper}"]
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._trial_pid: int | None = None
        self._started = 0.0
        self._start_at = 0.0
        self._wait_s = FIRST_RESPAWN_S

    @property
    def uuids(self) -> list[str]:
        """The GPUs that the worker owns."""
        return [uuid for uuid in self.device.partition(":")[2].split(",") if uuid]

    @property
    def pid(self) -> int | None:
        """The process id, or None if there is none."""
        return self._process.pid if self._process is not None else None

    def fileno(self) -> int:
        """Return the pipe for the worker's state; -1 if there is none."""
        return self._pipe

    def start_if_due(self, environ: Mapping[str, str]) -> None:
        """Start the worker unless it is running, not wanted, or has to wait after a crash."""
        if self._process or self.hopeless is not None or time.monotonic() < self._start_at:
            return
        self._pipe, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        visible = ",".join(self.uuids) or "-1"
        try:
            self._process = subprocess.Popen(
                [
                    *self._command,
                    f"--name={self.name}",
                    f"--device={self.device}",
                    f"--parent={os.getpid()}",
                    f"--status-fd={theirs}",
                ],
                pass_fds=[theirs],
                stdin=subprocess.DEVNULL,
                env={**environ, "CUDA_VISIBLE_DEVICES": visible},
                # Ctrl-C in a terminal is for the supervisor, which then asks its workers to leave.
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        self.state, self.is_leaving, self._is_hurried = "starting", False, False
        self._started = time.monotonic()
        logger.info("worker started", extra={"worker": self.name, "pid": self._process.pid})

    def read(self) -> None:
        """Read the state that the worker has sent."""
        if self._pipe < 0:
            return
        with contextlib.suppress(BlockingIOError):
            for line in os.read(self._pipe, 65536).splitlines():
                news: dict[str, Any] = json.loads(line)
                self.state = news.get("state", self.state)
                self.reason = news.get("reason", "" if "state" in news else self.reason)
                self._trial_pid = news.get("trial_pid", self._trial_pid)

    def ask_to_leave(self, *, after_trial: bool = False) -> None:
        """Ask the worker, if there is one, to end; idempotent.

        Args:
            after_trial: let it finish what it runs; otherwise it gives that back.
        """
        was_asked = self.is_leaving if after_trial else self._is_hurried
        if was_asked:
            return
        self.is_leaving = True
        self._is_hurried = not after_trial
        if self._process is not None:
            self._process.send_signal(AFTER_TRIAL if after_trial else signal.SIGTERM)

    def kill(self) -> None:
        """Kill the worker and its trial."""
        if self._process is not None:
            self._process.kill()

    def has_ended(self) -> bool:
        """Reap the worker if it is dead; return whether there is none."""
        if self._process is None:
            return True
        status = self._process.poll()
        if status is None:
            return False
        self.read()
        if self._trial_pid is not None:
            # The kernel kills the trial with its worker, but not what the trial itself has started.
            kill_group(self._trial_pid)
        self._note_end(status)
        os.close(self._pipe)
        self._process, self._pipe, self._trial_pid, self.state = None, -1, None, "stopped"
        return True

    def _note_end(self, status: int) -> None:
        facts = {"worker": self.name, "status": status}
        if status == 0:
            self.was_drained = not self.is_leaving
            self.is_leaving = True
            logger.info("worker left", extra=facts)
        elif status in self._hopeless and not self.is_leaving:
            self.hopeless = status
            logger.error(
                "worker cannot work here, not started again",
                extra={**facts, "reason": self.reason},
            )
        elif not self.is_leaving:
            if time.monotonic() - self._started > STABLE_S:
                self._wait_s = FIRST_RESPAWN_S
            self._start_at = time.monotonic() + self._wait_s
            said = "worker refused by the server" if status == REFUSED else "worker died"
            logger.warning(said, extra={**facts, "respawn_s": self._wait_s, "reason": self.reason})
            longest_s = LAST_REFUSED_S if status == REFUSED else LAST_RESPAWN_S
            self._wait_s = min(self._wait_s * 2, longest_s)


def worker_command(isolation: str, preimport: str) -> list[str]:
    """Return the command of a worker, without what differs between slots."""
    return [
        *python_command(),
        "workers",
        "run",
        f"--isolation={isolation}",
        f"--preimport={preimport}",
    ]
