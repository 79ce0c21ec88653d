"""A worker's standing with the service: known or new, staying or leaving, in service or not."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from tuner import protocol
from tuner.errors import StudyError
from tuner.security.identity import caller
from tuner.service.workers.bearers import bearer_facts, require_name, require_only_process
from tuner.service.workers.verifying import Verification, Verifier
from tuner.trials.ending.breaker import is_test_due
from tuner.trials.kinds import EXTERNAL, UNHEARD_S
from tuner.trials.states import WorkerState
from tuner.trials.store.workers import MOST, add_worker, find_worker, forget_gone
from tuner.trials.worker import Worker

logger = logging.getLogger(__name__)

#: Host, pid, and the unique number that processes have since this release.
_Process = tuple[str, int, str | None]

#: What a process says of itself, as far as it may differ in the next process of the same name.
_FACTS = (
    *("host", "pid", "device", "image", "release"),
    *("lock", "files", "files_built", "process", "keeper"),
)
#: Those of them that a live process does not change.
_FACTS_OF_PROCESS = ("host", "pid", "device", "release", "lock", "files", "process", "keeper")
#: Maximum number of processes remembered for one name.
_PROCESSES = 8


@dataclass(frozen=True, kw_only=True)
class WorkerStatus:
    """The service's view of a worker that has just called."""

    known: Worker
    #: Which image it runs in, and how far that is verified.
    verification: Verification
    #: Whether this process has never called before, while another one with its name has.
    is_new_process: bool = False
    #: Whether it must leave once it has ended what it runs.
    drain: bool = False
    #: Why it must leave, or why it gets no attempts.
    reason: str = ""
    #: Whether it must test itself now.
    test_due: bool = False
    #: Columns of its row to update.
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def worker(self) -> protocol.WorkerInfo:
        """What it says of itself, with the image that its token is bound to."""
        return self.verification.worker

    @property
    def is_in_service(self) -> bool:
        """Whether it may be given attempts; one with a pending self-test gets none before it."""
        is_out = self.known.out_reason != "" or self.verification.problem != ""
        return not self.drain and not is_out and not self.test_due

    def is_counted(self, now: float) -> bool:
        """Whether the coordinator has counted on it as idle before this call, as it is now."""
        known = self.known
        is_known = known.first_seen < now and known.last_seen > now - UNHEARD_S
        return is_known and known.state is WorkerState.IDLE and not self.changes


class WorkerRegistry:
    """Registers workers that call. Thread-safe.

    Mutable: it remembers which processes have called under a name. If one of them calls again after
    another one, both are alive, and neither is the other's successor.

    Args:
        server_release: older workers have to leave.
        verifier: verifies their images.
    """

    def __init__(self, server_release: str, verifier: Verifier | None = None) -> None:
        self._server_release = server_release
        self._verifier = verifier or Verifier()
        self._met: dict[str, deque[_Process]] = {}
        self._warned: set[str] = set()
        self._lock = threading.Lock()

    def register(
        self,
        connection: sa.Connection,
        worker: protocol.WorkerInfo,
        now: float,
        study: str | None = None,
    ) -> WorkerStatus:
        """Return the standing of a worker that claims or is idle; a new one gets a row.

        Args:
            connection: the transaction.
            worker: what it says of itself.
            now: the database's time.
            study: the only one whose trials it claims; None: it is a worker for all.

        Raises:
            ProtocolError: what it says of itself is out of bounds.
            StudyError: its name belongs to another token or another process.
        """
        verification = self._verify(connection, worker, now)
        known = self._find(connection, verification, now, study)
        facts = _facts(verification, study)
        changes = {name: value for name, value in facts.items() if getattr(known, name) != value}
        # The row may be from an earlier release of the server, which stored no number.
        numbered = ("process",) if known.process is not None else ()
        is_other = not changes.keys().isdisjoint(("host", "pid", *numbered))
        is_new_process = self._is_unseen(worker) and is_other
        changes |= self._drain_changes(known, worker, now, is_new_process=is_new_process)
        return _standing(known, verification, now, is_new_process=is_new_process, changes=changes)

    def recognise(
        self, connection: sa.Connection, worker: protocol.WorkerInfo, now: float
    ) -> WorkerStatus:
        """Return the standing of a worker that runs an attempt and registered when it claimed."""
        verification = self._verify(connection, worker, now)
        known = self._find(connection, verification, now)
        changes = self._drain_changes(known, worker, now, is_new_process=False)
        return _standing(known, verification, now, changes=changes)

    def recognise_unchanged(
        self, known: Worker, worker: protocol.WorkerInfo, now: float
    ) -> WorkerStatus | None:
        """Return where a worker stands that is as it was when it claimed; see `recognise`.

        Its image is not verified again before its next claim.

        Returns:
            None: something has changed, or the caller is to be refused.
        """
        images = (known.image,) if caller().image is None else (known.image, None)
        is_as_before = worker.image in images and all(
            getattr(known, name) == getattr(worker, name) for name in _FACTS_OF_PROCESS
        )
        if not is_as_before or known.bearer != caller().token_id:
            return None
        try:
            protocol.check_worker(worker)
            require_only_process(known, worker, now)
        except (protocol.ProtocolError, StudyError):
            return None
        if self._drain_changes(known, worker, now, is_new_process=False):
            return None
        verification = Verification(
            worker=worker, verified=known.image_verified, problem=known.image_problem
        )
        return _standing(known, verification, now, changes={})

    def _verify(
        self, connection: sa.Connection, worker: protocol.WorkerInfo, now: float
    ) -> Verification:
        protocol.check_worker(worker)
        return self._verifier.verify(connection, worker, now)

    def _find(
        self,
        connection: sa.Connection,
        verification: Verification,
        now: float,
        study: str | None = None,
    ) -> Worker:
        worker = verification.worker
        known = find_worker(connection, worker.name)
        if known is not None:
            require_name(connection, known, now)
            require_only_process(known, worker, now)
            return known
        facts = {"state": WorkerState.IDLE, "first_seen": now, "last_seen": now}
        forget_gone(connection, now)
        facts |= _facts(verification, study)
        return add_worker(connection, name=worker.name, **facts)

    def _drain_changes(
        self, known: Worker, worker: protocol.WorkerInfo, now: float, *, is_new_process: bool
    ) -> dict[str, Any]:
        """Return the changes to a worker's drain request.

        Only a drain because of an old release has a reason in the row; a user's has none.
        """
        # A process that executes a single study is not a worker that is restarted, so it is not
        # told.
        is_old = known.device != EXTERNAL and protocol.is_older(
            worker.release, self._server_release
        )
        if is_old:
            reason = (
                f"its release {worker.release} is older than the server's {self._server_release}"
            )
            return {} if known.drain_reason == reason else {"drain": True, "drain_reason": reason}
        if known.drain_reason:
            return {"drain": False, "drain_reason": ""}
        # A worker that crashes before it leaves is restarted immediately and has to leave then. One
        # that appears much later under the same name is another one, which nobody has drained.
        if known.drain and is_new_process and known.last_seen < now - UNHEARD_S:
            return {"drain": False}
        return {}

    def is_latest(self, worker: protocol.WorkerInfo) -> bool:
        """Whether this process is the last that has called under its name since the start."""
        with self._lock:
            met = self._met.get(worker.name)
            return met is not None and met[-1] == (worker.host, worker.pid, worker.process)

    def _is_unseen(self, worker: protocol.WorkerInfo) -> bool:
        """Whether this process calls for the first time since the server was started."""
        process = (worker.host, worker.pid, worker.process)
        with self._lock:
            met = self._met.setdefault(worker.name, deque(maxlen=_PROCESSES))
            if len(self._met) > MOST:
                del self._met[next(name for name in self._met if name != worker.name)]
            if process not in met:
                met.append(process)
                return True
            if met[-1] == process:
                return False
            met.remove(process)
            met.append(process)
            if worker.name in self._warned:
                return False
            if len(self._warned) >= MOST:
                self._warned.clear()
            self._warned.add(worker.name)
        logger.warning(
            "two processes call themselves by one name, which must be unique",
            extra={"worker": worker.name, "processes": [f"{host} {pid}" for host, pid, _ in met]},
        )
        return False


def _facts(verification: Verification, study: str | None) -> dict[str, Any]:
    worker = verification.worker
    facts = {name: getattr(worker, name) for name in _FACTS}
    facts |= {**bearer_facts(), **verification.to_columns()}
    facts |= {
        "host": worker.host[: protocol.MAX_HOST_CHARS],
        "device_id": ",".join(worker.device_ids) or worker.device_id,
        "gpus": worker.gpus,
    }
    if study is not None:
        # It counts for this study alone, not for others with its device.
        facts |= {"device": EXTERNAL, "image": study}
    return facts


def _standing(
    known: Worker,
    verification: Verification,
    now: float,
    *,
    changes: dict[str, Any],
    is_new_process: bool = False,
) -> WorkerStatus:
    drain = bool(changes.get("drain", known.drain))
    reason = verification.problem or known.out_reason
    if drain:
        reason = changes.get("drain_reason", known.drain_reason) or "drained by a user"
    return WorkerStatus(
        known=known,
        verification=verification,
        is_new_process=is_new_process,
        drain=drain,
        reason=reason,
        test_due=is_test_due(known, now),
        changes=changes,
    )
