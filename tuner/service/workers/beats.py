"""Beats of many workers, taken together.

A fleet of a thousand workers beats two hundred times a second. Nearly all of these beats change
nothing but two times, so those that wait at the same moment share a transaction. Whatever else a
beat says, or what has happened to its attempt, is left to `WorkerService.beat`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuner import protocol
from tuner.security.identity import Identity, calling
from tuner.service.workers.worker_status import WorkerRegistry
from tuner.storage import Storage
from tuner.trials.states import WorkerState
from tuner.trials.store.claims.beats import (
    BeatingAttempt,
    beating_attempts,
    beating_workers,
    extend_leases,
    holding_workers,
    note_heard,
)
from tuner.trials.worker import Worker


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenBeat:
    """A beat, and with whose token it came."""

    caller: Identity
    beat: protocol.Beat


def is_plain(beat: protocol.Beat) -> bool:
    """Whether a beat may be taken together with others."""
    if beat.self_test is not None:
        return False
    if beat.state == "busy":
        return beat.attempt is not None and beat.token is not None
    return beat.state == "idle" and beat.attempt is None


def take_beats(
    storage: Storage, reception: WorkerRegistry, beats: Sequence[GivenBeat]
) -> list[protocol.Reply | None]:
    """Extend the leases of beats that change nothing else, in one transaction.

    Args:
        reception: knows the workers.
        beats: of different attempts; `is_plain` holds for each.

    Returns:
        The answer to each beat. None: it was not taken, and is to be taken by itself.

    Raises:
        UnavailableError: the database cannot be reached or is too busy.
    """
    with storage.begin() as connection:
        now = storage.now(connection)
        held = [one.beat.attempt for one in beats if one.beat.attempt is not None]
        attempts = beating_attempts(connection, held) if held else {}
        workers = beating_workers(connection, [one.beat.worker.name for one in beats])
        idle = [one.beat.worker.name for one in beats if one.beat.attempt is None]
        holding = holding_workers(connection, idle) if idle else frozenset()
        replies: list[protocol.Reply | None] = []
        for one in beats:
            beat, reply = one.beat, None
            worker = workers.get(beat.worker.name)
            with calling(one.caller):
                if worker is not None and beat.attempt is not None:
                    reply = _reply_busy(reception, beat, attempts.get(beat.attempt), worker, now)
                elif worker is not None and worker.name not in holding:
                    reply = _reply_idle(reception, beat, worker, now)
            replies.append(reply)
        heard = [one.beat for one, reply in zip(beats, replies, strict=True) if reply is not None]
        extended = [beat.attempt for beat in heard if beat.attempt is not None]
        if extended:
            extend_leases(connection, extended, now)
        if heard:
            # Workers are locked last.
            note_heard(connection, [beat.worker.name for beat in heard], now)
    return replies


def _reply_idle(
    reception: WorkerRegistry, beat: protocol.Beat, worker: Worker, now: float
) -> protocol.Reply | None:
    """Return the answer to the beat of a worker that was idle before; None: something changes."""
    standing = reception.recognise_unchanged(worker, beat.worker, now)
    if standing is None or standing.test_due or not standing.is_counted(now):
        return None
    if not reception.is_latest(beat.worker):
        return None
    return protocol.Reply(order="continue", drain=standing.drain, reason=standing.reason)


def _reply_busy(
    reception: WorkerRegistry,
    beat: protocol.Beat,
    attempt: BeatingAttempt | None,
    worker: Worker,
    now: float,
) -> protocol.Reply | None:
    """Return the answer to a beat that only extends a lease; None: something else changes."""
    if attempt is None or attempt.token != beat.token:
        return None
    if worker.state is not WorkerState.BUSY or worker.attempt != attempt.id:
        return None
    standing = reception.recognise_unchanged(worker, beat.worker, now)
    if standing is None or not attempt.is_callers():
        return None
    return protocol.Reply(order=attempt.wanted, drain=standing.drain, reason=standing.reason)
