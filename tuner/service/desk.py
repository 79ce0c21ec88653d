"""The workers' side: claim, report, beat, finish. Every call may be repeated.

The token is made by the worker before it claims; a call repeated with the same token gets the first
answer. Only `FencedError` takes an attempt away from a worker.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import sqlalchemy as sa

from tuner import protocol
from tuner.coordinator.loop import Coordinator
from tuner.errors import FencedError, NotFoundError, SpecError
from tuner.service.assigning import build_assignment, choose_attempt
from tuner.service.finishing import Finishing
from tuner.service.reporting import Reporting, extend_lease
from tuner.service.rows import lock_attempt, set_worker, study_of
from tuner.service.specs import Specs
from tuner.storage import Storage, tables

_TOKEN = re.compile(r"[0-9a-f]{32,64}")
_WORKER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class WorkerDesk:
    """Answers workers. Safe to use from several threads.

    Args:
        storage: the truth.
        coordinator: is woken when a worker is idle or has finished, and judges reports.
        storage_problem: why nothing can be written to the log root at present, or None: then
            nothing is given out.
    """

    def __init__(
        self,
        storage: Storage,
        coordinator: Coordinator,
        storage_problem: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._storage = storage
        self._coordinator = coordinator
        self._storage_problem = storage_problem
        self._specs = Specs()
        self._finishing = Finishing(storage, self._specs)
        self.report = Reporting(storage, coordinator).report

    def claim(self, claim: protocol.Claim) -> protocol.Assignment | None:
        """Give the worker an attempt, or None when there is none for it.

        Raises:
            SpecError: token or worker name are malformed.
        """
        if not _TOKEN.fullmatch(claim.token):
            raise SpecError("token: must be 32 to 64 hexadecimal characters")
        a = tables.attempts
        assignment = None
        with self._storage.begin() as connection:
            now = self._storage.now(connection)
            drain = _meet(connection, claim.worker, now)
            mine = connection.execute(sa.select(a).where(a.c.token == claim.token)).first()
            if mine is None and not drain and self._storage_problem() is None:
                mine = choose_attempt(connection, claim, now)
            if mine is None:
                set_worker(connection, claim.worker.name, "idle", None, now)
            else:
                set_worker(connection, claim.worker.name, "busy", mine.id, now)
                study = study_of(connection, mine)
                assignment = build_assignment(connection, study, mine, self._specs.of(study))
        if assignment is None:
            self._coordinator.wake()
        return assignment

    def beat(self, beat: protocol.Beat) -> protocol.Reply:
        """Note a worker's sign of life and extend its lease.

        Raises:
            NotFoundError: there is no such attempt.
            FencedError: the attempt it runs was taken from it.
        """
        order: protocol.Order = "continue"
        with self._storage.begin() as connection:
            now = self._storage.now(connection)
            drain = _meet(connection, beat.worker, now)
            running = beat.attempt if beat.state != "idle" else None
            set_worker(connection, beat.worker.name, beat.state, running, now)
            if beat.attempt is not None and beat.token is not None:
                order = _beat_attempt(connection, beat.attempt, beat.token, now)
        if beat.state == "idle":
            self._coordinator.wake()
        return protocol.Reply(order=order, drain=drain)

    def finish(self, attempt_id: str, finish: protocol.Finish) -> protocol.Finished:
        """Take the result of an attempt; errors as `Finishing.finish`."""
        finished = self._finishing.finish(attempt_id, finish)
        self._coordinator.wake()
        return finished

    def code(self, digest: str) -> bytes:
        """Return a code snapshot.

        Raises:
            NotFoundError: there is no such snapshot.
        """
        table = tables.snapshots
        with self._storage.read() as connection:
            content = connection.execute(
                sa.select(table.c.content).where(table.c.hash == digest)
            ).scalar_one_or_none()
        if content is None:
            raise NotFoundError(f"there is no code snapshot {digest[:80]}")
        return bytes(content)


def _beat_attempt(
    connection: sa.Connection, attempt_id: str, token: str, now: float
) -> protocol.Order:
    attempt = lock_attempt(connection, attempt_id, token)
    if attempt.state == "cancelled":
        return "cancel"
    if attempt.state not in ("leased", "lost"):
        raise FencedError(f"attempt {attempt.id} has ended ({attempt.state})")
    extend_lease(connection, attempt, now)
    wanted: protocol.Order = attempt.wanted
    return wanted


def _meet(connection: sa.Connection, worker: protocol.WorkerInfo, now: float) -> bool:
    """Note that the worker exists; return whether it is to leave."""
    if not _WORKER.fullmatch(worker.name):
        raise SpecError(f"worker.name: {worker.name[:80]!r}: letters, digits and . _ -, at most 80")
    w = tables.workers
    row = connection.execute(sa.select(w.c.drain).where(w.c.name == worker.name)).first()
    if row is not None:
        return bool(row.drain)
    connection.execute(
        w.insert().values(
            name=worker.name,
            host=worker.host[:255],
            pid=worker.pid,
            device=worker.device,
            device_id=worker.device_id,
            image=worker.image,
            release=worker.release,
            state="idle",
            first_seen=now,
            last_seen=now,
        )
    )
    return False
