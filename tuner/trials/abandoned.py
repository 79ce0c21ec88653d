"""Attempts that are leased to a worker which does not execute them.

A worker's process executes one attempt at a time, and it is of one mind: it repeats a claim with
its token until it is answered, executes what it was given, and only then claims with a new token;
it says that it is idle only while it executes nothing. So an attempt that is leased to a worker
under another token than its present one may be executed by nobody: the answer to the claim was
lost on its way, or the process has died and the supervisor has started another one under the same
name. Its trial then need not wait for the lease to run out.

What counts as a proof, because messages can be late, doubled and overtaken by others:

- A process that was never seen before, under the same name: the one before it is dead. (Names are
  unique in a service, and a supervisor starts a process in a slot only when there is none.)
- A claim with a new token, for an attempt of which its worker never spoke. It may be a delayed
  repetition of an older claim, which the worker has given up before it made the one that it now
  executes; the server drops requests whose sender has hung up, and otherwise the mistake costs the
  few seconds that the attempt has run, no retry, and nobody's good name.
- A claim with a new token, or a word of being idle, when nothing was heard about the attempt for
  two beats: whoever executes an attempt beats for it. Before that, neither is proof: an idle beat
  may have been under way, or waited for the database, while the claim after it was answered; and a
  claim while the attempt's beats come in is a delayed one. Such a claim gets nothing, otherwise the
  process would hold two attempts.

What was never heard of is given back for nothing, unless its process died or that has happened to
the trial several times: it may be the trial that ends the worker before its first beat.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, Literal

import sqlalchemy as sa

from tuner.protocol import BEAT_S, LEASE_S
from tuner.storage import tables
from tuner.trials.attempts import (
    ENDED,
    UPDATE_ATTEMPT,
    UPDATE_TRIAL,
    Ending,
    end_attempt,
    insert_attempt,
    lock_trial,
)
from tuner.trials.events import record_event
from tuner.trials.faults import study_step
from tuner.trials.locking import hold_study, lock_attempts

logger = logging.getLogger(__name__)

#: After so many times a trial is not given back for nothing again.
MAX_GIVEN_BACK = 5
#: What speaks for it that a worker does not execute what it holds.
Sign = Literal["new process", "claim", "idle"]

_a = tables.attempts
# Built once, because every claim asks it; as the partial index has it, so that the index is used.
_HELD = sa.select(_a).where(
    _a.c.worker == sa.bindparam("who"), sa.text("tuner_attempts.state = 'leased'")
)


def release_abandoned(
    connection: sa.Connection,
    worker: str,
    sign: Sign,
    now: float,
    retries: Callable[[sa.Row[Any]], int],
) -> bool:
    """End the attempts that a worker holds and does not execute; return whether none is left.

    Args:
        connection: of the claim's or beat's transaction, which holds no lock yet.
        worker: its name.
        sign: what it has just done.
        now: the database's time.
        retries: returns the allowed retries of a study.

    Raises:
        StudyFaultError: the rows of the study of such an attempt are in the way.
    """
    is_free = True
    for held in connection.execute(_HELD, {"who": worker}).all():
        with study_step(held.study_id, "ending its lost attempts", attempt=held.id):
            is_abandoned = _is_abandoned(held, sign, now)
            if is_abandoned:
                _release(connection, held, sign, now, retries)
        is_free = is_free and is_abandoned
    return is_free


def _is_abandoned(held: sa.Row[Any], sign: Sign, now: float) -> bool:
    if sign == "new process" or (sign == "claim" and not held.heard):
        return True
    # Every word about the attempt, and its claim, gave it a whole lease.
    last_word = held.lease_until - LEASE_S
    return bool(now - last_word > 2 * BEAT_S)


def _release(
    connection: sa.Connection,
    held: sa.Row[Any],
    sign: Sign,
    now: float,
    retries: Callable[[sa.Row[Any]], int],
) -> None:
    study = hold_study(connection, held.id)
    if study is None:
        return  # deleted just now
    lock_attempts(connection, held.study_id, held.number)
    attempt = connection.execute(sa.select(_a).where(_a.c.id == held.id)).one()
    if attempt.state != "leased" or attempt.lease_until != held.lease_until:
        return  # ended, or heard of, just now
    facts = {"attempt": attempt.id, "worker": attempt.worker}
    # A process that died may have begun, and died of it: that must use up the retries.
    if (
        not attempt.heard
        and sign != "new process"
        and _times_given_back(connection, attempt) < (MAX_GIVEN_BACK)
    ):
        logger.warning("attempt never reached its worker", extra=facts)
        _give_back(connection, study, attempt, now)
        return
    logger.warning("attempt lost", extra=facts)
    text = f"worker {attempt.worker} on {attempt.host} went on without it"
    ending = Ending(state="fail", cause="lost", error=text, attempt_state="lost")
    end_attempt(connection, study, attempt, ending, now, retries=retries(study))


def _times_given_back(connection: sa.Connection, attempt: sa.Row[Any]) -> int:
    query = sa.select(sa.func.count()).where(
        _a.c.study_id == attempt.study_id,
        _a.c.number == attempt.number,
        _a.c.state == "revoked",
        _a.c.worker.is_not(None),
    )
    return int(connection.execute(query).scalar_one())


def _give_back(
    connection: sa.Connection, study: sa.Row[Any], attempt: sa.Row[Any], now: float
) -> None:
    """Revoke an attempt that nobody has begun, and offer its trial again, for nothing."""
    if lock_trial(connection, attempt.study_id, attempt.number).state in ENDED:
        return
    # Never claimed as far as anybody has seen: it has no folder, and is no execution of the trial.
    connection.execute(
        UPDATE_ATTEMPT,
        {"of_id": attempt.id, "state": "revoked", "claimed": None, "finished": now},
    )
    query = sa.select(sa.func.max(_a.c.no)).where(
        _a.c.study_id == attempt.study_id, _a.c.number == attempt.number
    )
    no = 1 + int(connection.execute(query).scalar_one())
    excluded = json.loads(attempt.excluded_json)
    successor = insert_attempt(connection, study, attempt.number, no, now, excluded=excluded)
    at = {"of_study": attempt.study_id, "of_number": attempt.number}
    connection.execute(UPDATE_TRIAL, {**at, "state": "waiting"})
    record_event(
        connection,
        now,
        "attempt-revoked",
        f"attempt {attempt.no} never reached worker {attempt.worker}; "
        f"the trial is offered again as attempt {no}",
        study_id=study.id,
        number=attempt.number,
        attempt=successor,
    )
