"""Whether this server can do its work: what `/readyz` says, and `/metrics` as 0 or 1.

The answers name parts, never hosts, paths or messages of exceptions: they need no token.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from tuner.coordinator.loop import Coordinator
from tuner.errors import UnavailableError
from tuner.protocol import Device
from tuner.queue.wakeup import WakeUps
from tuner.server.monitoring.cached_probe import CachedProbe
from tuner.service.files.run_file_writer import FilingTrouble
from tuner.storage import Storage
from tuner.storage.engines.outage import TROUBLE_TEXTS, trouble_of
from tuner.storage.engines.outage import Trouble as DatabaseTrouble
from tuner.storage.probe import write_probe

Part = Literal["database", "coordinator", "redis", "log_root", "filer"]

#: Maximum seconds between rounds of the coordinator. It runs twice a second; loading a large study
#: takes a few seconds once.
ROUND_WITHIN_S = 5.0
#: Number of waiting wake-ups that is a warning: no more should wait than workers are idle.
FLOOD = 10_000
#: Seconds that a write of this server itself may take, such as that of a large import.
OWN_WRITE_S = 10.0
#: Seconds that another process may hold the write lock before it is reported.
LOCKED_S = 1.0
_FRESH_S = 1.0
_PATIENCE_S = 2.0


@dataclass(frozen=True, kw_only=True)
class State:
    """The state of the parts at one moment; a part without a text is healthy.

    Attributes:
        failing: the server is unusable without these parts.
        warnings: the server works without these, slower or with files to be written later.
        queue: number of wake-ups by device, None if Redis does not answer.
        filer: what filing is blocked by, by name; for clients with a token.
        database: why nothing can be written there; None: it can.
    """

    failing: dict[Part, str]
    warnings: dict[Part, str]
    queue: dict[Device, int] | None
    filer: FilingTrouble | None = None
    database: DatabaseTrouble | None = None


class ServerHealth:
    """Monitors the parts that a server depends on. Thread-safe."""

    def __init__(
        self,
        storage: Storage,
        wakeups: WakeUps,
        coordinator: Coordinator,
        log_root_problem: Callable[[], str | None],
        filer_trouble: Callable[[], FilingTrouble | None] = lambda: None,
    ) -> None:
        self._storage = storage
        self._coordinator = coordinator
        self._log_root_problem = log_root_problem
        self._filer_trouble = filer_trouble
        self._database = CachedProbe(self._ask_database, fresh_s=_FRESH_S, patience_s=_PATIENCE_S)
        self._queue = CachedProbe(wakeups.lengths, fresh_s=_FRESH_S, patience_s=_PATIENCE_S)

    def state(self) -> State:
        """Return the state of the parts; takes at most a few seconds."""
        failing: dict[Part, str] = {}
        warnings: dict[Part, str] = {}
        database = self._database_trouble()
        if database is not None:
            failing["database"] = TROUBLE_TEXTS[database]
        if problem := self._coordinator_problem():
            failing["coordinator"] = problem
        queue = self._queue_lengths()
        if queue is None:
            warnings["redis"] = "does not answer; workers ask for work meanwhile"
        elif (most := max(queue.values(), default=0)) > FLOOD:
            warnings["redis"] = (
                f"a queue holds {most} messages, far more than there are workers: somebody else "
                "writes into it; workers clear them away"
            )
        if self._log_root_problem() is not None:
            warnings["log_root"] = "cannot be written; no trial is started meanwhile"
        trouble = self._filer_trouble()
        if trouble is not None:
            warnings["filer"] = trouble.text
        return State(
            failing=failing, warnings=warnings, queue=queue, filer=trouble, database=database
        )

    def close(self) -> None:
        """Stop all probes."""
        self._database.close()
        self._queue.close()

    def _ask_database(self) -> None:
        write_probe(self._storage)

    def _database_trouble(self) -> DatabaseTrouble | None:
        try:
            self._database.get()
        except sa.exc.SQLAlchemyError as exc:
            return trouble_of(exc)
        except UnavailableError as exc:
            waits = isinstance(exc.__cause__, TimeoutError)
            if waits and self._storage.locked_s > LOCKED_S:
                return "locked"
            if waits and 0.0 < self._storage.written_s < OWN_WRITE_S:
                return None  # the probe waits for a long write of this process, which goes on
            return trouble_of(exc.__cause__)
        return None

    def _coordinator_problem(self) -> str | None:
        last = self._coordinator.instruments.last_round
        if last is None:
            return "its loop has not completed a round yet"
        passed = time.monotonic() - last
        if passed > ROUND_WITHIN_S:
            return f"its loop has stalled for {passed:.0f} s"
        return None

    def _queue_lengths(self) -> dict[Device, int] | None:
        try:
            return self._queue.get()
        except UnavailableError:
            return None
