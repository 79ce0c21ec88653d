"""The workers' side: claim, report, beat, finish. Every call may be repeated.

The worker creates the token before it claims; a call repeated with the same token gets the first
answer. Only `FencedError` takes an attempt away from a worker.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import sqlalchemy as sa

from tuner import protocol
from tuner.coordinator.loop import Coordinator
from tuner.errors import FencedError, NotFoundError, SpecError, StudyError
from tuner.integrity.diagnosis import diagnose
from tuner.release import release
from tuner.security.identity import Identity, caller
from tuner.service.workers.apart import apart, set_study_aside
from tuner.service.workers.assigning import (
    AssignmentError,
    Chosen,
    ClaimedTwiceError,
    assign,
    choose_attempt,
    end_unassignable,
)
from tuner.service.workers.bearers import may_fetch
from tuner.service.workers.beats import GivenBeat, take_beats
from tuner.service.workers.finishing import Finishing
from tuner.service.workers.reporting import Reporting, extend_lease
from tuner.service.workers.verifying import Verifier
from tuner.service.workers.worker_status import WorkerRegistry, WorkerStatus
from tuner.storage import Storage, tables
from tuner.trials.attempt import Attempt
from tuner.trials.ending.abandoned import Sign, release_abandoned
from tuner.trials.ending.breaker import note_test
from tuner.trials.faults import StudyFaultError, study_step
from tuner.trials.specs import read_spec
from tuner.trials.states import AttemptState, WorkerState
from tuner.trials.store.attempts import (
    claimed_with,
    held_by,
    is_bearers,
    lock_attempt,
    read_attempt,
)
from tuner.trials.store.events import record_event
from tuner.trials.store.workers import set_worker

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Maximum number of attempts that a claim skips because they cannot be assigned.
MAX_UNASSIGNABLE = 20
#: Maximum number of characters stored of the result of a self-test.
MAX_TEST_CHARS = 2000


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Answer(Generic[T]):
    """What a worker is told.

    Attributes:
        told: the answer itself.
        is_news: whether the coordinator has to look, because it did not count on this worker.
    """

    told: T
    is_news: bool


class WorkerService:
    """Answers workers. Thread-safe.

    Args:
        storage: the database.
        coordinator: woken when a worker is idle or has finished; judges reports.
        storage_problem: returns why the log root cannot be written at present, or None; while it
            cannot, no attempts are assigned.
        workers: the identity of the token that this server was given for its workers.
    """

    def __init__(
        self,
        storage: Storage,
        coordinator: Coordinator,
        storage_problem: Callable[[], str | None] = lambda: None,
        workers: Identity | None = None,
    ) -> None:
        self._storage = storage
        self._coordinator = coordinator
        self._storage_problem = storage_problem
        self._reception = WorkerRegistry(release(), Verifier(workers))
        self._finishing = Finishing(storage, coordinator.instruments, storage_problem)
        self.report = Reporting(storage, coordinator).report

    def claim(self, claim: protocol.Claim) -> protocol.Assignment | None:
        """Give the worker an attempt, or None if there is none for it.

        Raises:
            SpecError: the token is malformed.
            ProtocolError: what the worker says of itself is out of bounds.
            StudyError: the worker speaks another version of the protocol, or its name belongs to
                another token.
        """
        if not protocol.CLAIM_TOKEN.fullmatch(claim.token):
            raise SpecError("token: must be 32 to 64 hexadecimal characters")
        protocol.check_study(claim.study)
        if claim.version != protocol.VERSION:
            # It may finish what it already runs.
            raise StudyError(
                f"this server speaks protocol {protocol.VERSION}, the worker {claim.version}: "
                f"install release {release()} of tuner-service on the worker's side"
            )
        claimed = None
        for _ in range(MAX_UNASSIGNABLE):
            try:
                claimed = apart(self._storage, lambda: self._claim(claim))
                break
            except AssignmentError as exc:
                # A fault of its study: neither this worker nor the next one should fail because of
                # it.
                self._take_away(exc)
            except ClaimedTwiceError:
                continue  # what the other one was given is found by the token now
        if claimed is None or claimed.is_news:
            self._coordinator.wake()
        return None if claimed is None else claimed.told

    def _claim(self, claim: protocol.Claim) -> _Answer[protocol.Assignment | None]:
        with self._storage.begin() as connection:
            now = self._storage.now(connection)
            standing = self._reception.register(connection, claim.worker, now, claim.study)
            claim = dataclasses.replace(claim, worker=standing.worker)
            mine, held = claimed_with(connection, claim.token, claim.worker.name)
            trial = None
            if mine is not None and not is_bearers(mine.bearer):
                raise FencedError("the claim was made with another token of the API")
            if mine is None:
                chosen = self._give(connection, claim, standing, held, now)
                if chosen is not None:
                    mine, trial = chosen.attempt, chosen.trial
            elif mine.state is AttemptState.REVOKED:
                mine = None  # offered to others, because the worker seemed not to have got it
            name, changes = claim.worker.name, standing.changes
            if mine is None:
                set_worker(connection, name, WorkerState.IDLE, None, now, changes)
                # Where it was idle before, a round has proposed for it or is about to: whatever
                # made it so has woken the coordinator.
                return _Answer(told=None, is_news=not standing.is_counted(now))
            # A repetition may arrive long after the attempt has ended.
            runs = mine.id if mine.state is AttemptState.LEASED else None
            state = WorkerState.BUSY if runs else WorkerState.IDLE
            set_worker(connection, name, state, runs, now, changes)
            # An attempt that it was given before is released if it cannot be assigned any more.
            given = mine.id if mine.claimed != now else None
            step = study_step(
                mine.study_id, "giving out a trial", attempt=given, passing=AssignmentError
            )
            with step:
                return _Answer(told=assign(connection, mine, trial), is_news=False)

    def _take_away(self, error: AssignmentError) -> None:
        """Remove an attempt that cannot be assigned from the queue.

        If the rows of its study are damaged, the study is paused and loses nothing.
        """
        with self._storage.read() as connection:
            attempt = read_attempt(connection, error.attempt)
        if attempt is not None and diagnose(self._storage, attempt.study_id):
            held = error.attempt if attempt.state is AttemptState.LEASED else None
            fault = StudyFaultError(attempt.study_id, "giving out a trial", held)
            set_study_aside(self._storage, fault)
            return
        logger.warning("unassignable", extra={"attempt": error.attempt, "reason": str(error)})

        def end() -> None:
            with self._storage.begin() as connection:
                now = self._storage.now(connection)
                study_id = -1 if attempt is None else attempt.study_id
                with study_step(study_id, "giving out a trial"):
                    end_unassignable(connection, error, now)

        apart(self._storage, end)

    def take_beats(self, beats: Sequence[GivenBeat]) -> list[protocol.Reply | None]:
        """Take beats together; see `beats.take_beats`. Each that is None goes to `beat`."""
        return take_beats(self._storage, self._reception, beats)

    def beat(self, beat: protocol.Beat) -> protocol.Reply:
        """Record a worker's sign of life and extend its lease.

        Raises:
            NotFoundError: there is no such attempt.
            FencedError: the attempt it runs was taken from it.
        """
        answered = apart(self._storage, lambda: self._beat(beat))
        if beat.state == "idle" and (answered is None or answered.is_news):
            self._coordinator.wake()
        return protocol.Reply(order="continue") if answered is None else answered.told

    def _beat(self, beat: protocol.Beat) -> _Answer[protocol.Reply]:
        is_idle = beat.state == "idle"
        # It runs nothing, whatever was assigned to its name before.
        is_free = is_idle or beat.state == "starting"
        order: protocol.Order = "continue"
        with self._storage.begin() as connection:
            now = self._storage.now(connection)
            if beat.attempt is not None and beat.token is not None:
                order = _beat_attempt(connection, beat.attempt, beat.token, now)
            meet = self._reception.register if is_free else self._reception.recognise
            standing = meet(connection, beat.worker, now)
            is_news = not standing.is_counted(now) or beat.self_test is not None
            if is_free:
                held = held_by(connection, standing.known.name)
                self._release(connection, standing, held, "idle", now)
            running = None if is_free else beat.attempt
            state = WorkerState(beat.state)
            set_worker(connection, beat.worker.name, state, running, now, standing.changes)
            if beat.self_test is not None:
                note_test(connection, standing.known.name, beat.self_test[:MAX_TEST_CHARS], now)
                standing = meet(connection, beat.worker, now)
        reply = protocol.Reply(
            order=order,
            drain=standing.drain,
            reason=standing.reason,
            self_test=is_idle and standing.test_due,
        )
        return _Answer(told=reply, is_news=is_news)

    def finish(self, attempt_id: str, finish: protocol.Finish) -> protocol.Finished:
        """Process the result of an attempt; raises as `Finishing.finish` does."""
        finished = self._finishing.finish(attempt_id, finish)
        self._coordinator.wake()
        return finished

    def code(self, digest: str) -> bytes:
        """Return a code snapshot; a worker may only have that of what it runs.

        Raises:
            NotFoundError: there is no such snapshot, or the caller may not have it.
        """
        table = tables.snapshots
        with self._storage.read() as connection:
            content = None
            if may_fetch(connection, caller(), digest):
                content = connection.execute(
                    sa.select(table.c.content).where(table.c.hash == digest)
                ).scalar_one_or_none()
        if content is None:
            raise NotFoundError(f"there is no code snapshot {digest[:80]}")
        return bytes(content)

    def _give(
        self,
        connection: sa.Connection,
        claim: protocol.Claim,
        standing: WorkerStatus,
        held: Sequence[Attempt],
        now: float,
    ) -> Chosen | None:
        """Lease an attempt to a worker that claims with a new token, if there is one for it."""
        is_free = self._release(connection, standing, held, "claim", now)
        if not is_free or not standing.is_in_service or self._storage_problem() is not None:
            return None
        chosen = choose_attempt(connection, claim, standing.verification.to_json(), now)
        mine = None if chosen is None else chosen.attempt
        if mine is not None and claim.worker.name in mine.excluded:
            record_event(
                connection,
                now,
                "attempt-same-worker",
                f"attempt {mine.no} goes to worker {claim.worker.name}, where the trial failed "
                "before: no other worker that could run it is there",
                study_id=mine.study_id,
                number=mine.number,
                attempt=mine.id,
            )
        return chosen

    def _release(
        self,
        connection: sa.Connection,
        standing: WorkerStatus,
        held: Sequence[Attempt],
        sign: Sign,
        now: float,
    ) -> bool:
        """End what the worker holds but does not execute; return whether it holds nothing else."""
        return release_abandoned(
            connection,
            held,
            "new process" if standing.is_new_process else sign,
            now,
            lambda study: read_spec(study.spec_json).trial.retries,
        )


def _beat_attempt(
    connection: sa.Connection, attempt_id: str, token: str, now: float
) -> protocol.Order:
    attempt = lock_attempt(connection, attempt_id, token)
    if attempt.state is AttemptState.CANCELLED:
        return "cancel"
    if not attempt.state.is_held:
        raise FencedError(f"attempt {attempt.id} has ended ({attempt.state.value})")
    extend_lease(connection, attempt, now)
    return attempt.wanted
