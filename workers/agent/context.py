"""What all attempts of one worker have in common."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tuner.protocol import BEAT_S, Reply, WorkerInfo
from workers.agent.api import WorkerApi
from workers.agent.code_cache import CodeCache
from workers.backends.choice import BackendChoice
from workers.backends.selection import BackendSelection
from workers.host.shutdown import Shutdown
from workers.records.environment import Environment
from workers.trial.fork_client import ForkClient

logger = logging.getLogger(__name__)


def _tell_nobody(_pid: int | None) -> None:
    """Ignore the process id."""


@dataclass(kw_only=True)
class WorkerContext:
    """The shared state of a worker.

    Mutable, because any answer of the server may ask this worker to leave, and a GPU may fail.
    """

    api: WorkerApi
    info: WorkerInfo
    environment: Environment
    code: CodeCache
    forks: ForkClient
    leave: Shutdown
    log_root: Path
    checkpoint_root: Path
    #: The Keras backend of each trial.
    backends: BackendSelection
    beat_s: float = BEAT_S
    #: Called with the process id of a trial that starts, and with None when it has ended.
    on_trial: Callable[[int | None], None] = _tell_nobody
    #: Whether the server wants this worker to leave after its present attempt, and why.
    drain: bool = False
    drain_reason: str = ""
    #: Why a GPU of this worker is unusable, until the server was told.
    device_error: str | None = None

    def apply_reply(self, reply: Reply) -> None:
        """Record whether the server wants this worker to leave."""
        if reply.drain:
            self.drain, self.drain_reason = True, reply.reason

    def may_fork(self, backend: BackendChoice | None) -> bool:
        """Return whether the process of a trial can be a fork, and has the right backend then.

        Args:
            backend: the trial's Keras backend; None: any.
        """
        if self.info.isolation != "fork" or not self.forks.can_fork():
            return False
        if self.forks.imported.suits(backend):
            return True
        wants = None if backend is None else backend.to_json()
        logger.info(
            "fresh interpreter for another backend of Keras",
            extra={"wants": wants, "has": self.forks.imported.backend},
        )
        return False

    @property
    def is_leaving(self) -> bool:
        """Whether this worker must take no more attempts."""
        return self.leave.takes_no_more or self.drain
