"""Beats of many busy workers, taken together.

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
from tuner.trials.store.beats import (
    BeatingAttempt,
    beating_attempts,
    beating_workers,
    extend_leases,
    note_heard,
)
from tuner.trials.worker import Worker


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldBeat:
    """A beat of a worker that runs an attempt, and whose token it came with."""

    caller: Identity
    beat: protocol.Beat


def is_plain(beat: protocol.Beat) -> bool:
    """Whether a beat may be taken together with others."""
    is_held = beat.attempt is not None and beat.token is not None
    return is_held and beat.state == "busy" and beat.self_test is None


def take_beats(
    storage: Storage, reception: WorkerRegistry, beats: Sequence[HeldBeat]
) -> list[protocol.Reply | None]:
    """Extend the leases of beats that change nothing else, in one transaction.

    Args:
        storage: the truth.
        reception: knows the workers.
        beats: of different attempts; `is_plain` holds for each.

    Returns:
        The answer to each beat. None: it was not taken, and is to be taken by itself.

    Raises:
        UnavailableError: the database cannot be reached or is too busy.
    """
    with storage.begin() as connection:
        now = storage.now(connection)
        attempts = beating_attempts(connection, [str(one.beat.attempt) for one in beats])
        workers = beating_workers(connection, [one.beat.worker.name for one in beats])
        replies: list[protocol.Reply | None] = []
        heard: list[protocol.Beat] = []
        for one in beats:
            attempt = attempts.get(str(one.beat.attempt))
            worker = workers.get(one.beat.worker.name)
            with calling(one.caller):
                reply = _reply(reception, one.beat, attempt, worker, now)
            replies.append(reply)
            if reply is not None:
                heard.append(one.beat)
        if heard:
            extend_leases(connection, [str(beat.attempt) for beat in heard], now)
            # Workers are locked last.
            note_heard(connection, [beat.worker.name for beat in heard], now)
    return replies


def _reply(
    reception: WorkerRegistry,
    beat: protocol.Beat,
    attempt: BeatingAttempt | None,
    worker: Worker | None,
    now: float,
) -> protocol.Reply | None:
    """Return the answer to a beat that changes nothing; None: it may change something."""
    if attempt is None or worker is None or attempt.token != beat.token:
        return None
    if worker.state is not WorkerState.BUSY or worker.attempt != attempt.id:
        return None
    standing = reception.recognise_unchanged(worker, beat.worker, now)
    if standing is None or not attempt.is_callers():
        return None
    return protocol.Reply(order=attempt.wanted, drain=standing.drain, reason=standing.reason)
