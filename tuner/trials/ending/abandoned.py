"""Attempts leased to a worker that does not execute them.

A worker's process executes one attempt at a time and acts in a fixed order: it repeats a claim with
the same token until it gets an answer, executes what it was given, and only then claims with a new
token; it reports idle only while it executes nothing. So if an attempt is leased to a worker under
a token other than its present one, possibly nobody executes it: the answer to the claim was lost on
its way, or the process has died and the supervisor has started another one under the same name.
Then its trial need not wait for the lease to expire.

What counts as proof, given that messages may be late, duplicated or out of order:

- A process not seen before, under the same name: the previous one is dead. (Names are unique in a
service, and a supervisor starts a process in a slot only when there is none.)
- A claim with a new token, for an attempt that its worker has never mentioned. It may be a delayed
repetition of an older claim, which the worker gave up before making the one that it now executes;
the server drops requests whose sender has hung up, and otherwise the mistake costs the few seconds
that the attempt has run, but no retry and no mark against the worker.
- A claim with a new token, or an idle beat, if nothing was heard about the attempt for two beats: a
worker that executes an attempt beats for it. Before that, neither is proof: an idle beat may have
been on its way, or waiting for the database, while the claim after it was answered; and a claim
that arrives while the attempt's beats come in is a delayed one. Such a claim gets nothing, because
otherwise the process would hold two attempts.

An attempt never heard of is given back without using up a retry, unless its process died or this
has happened to the trial several times: it may be the trial that kills the worker before its first
beat.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Literal

import sqlalchemy as sa

from tuner.protocol import BEAT_S, LEASE_S
from tuner.trials.attempt import Attempt
from tuner.trials.ending.attempts import Ending, end_attempt
from tuner.trials.faults import study_step
from tuner.trials.states import AttemptState, TrialState
from tuner.trials.store.attempts import (
    insert_attempt,
    last_no,
    lock_attempts,
    read_attempt,
    set_attempt,
    times_given_back,
)
from tuner.trials.store.events import record_event
from tuner.trials.store.studies import hold_study
from tuner.trials.store.trials import lock_trial, set_trial
from tuner.trials.study import Study

logger = logging.getLogger(__name__)

#: Number of times a trial is given back without using up a retry.
MAX_GIVEN_BACK = 5
#: What suggests that a worker does not execute the attempt it holds.
Sign = Literal["new process", "claim", "idle"]


def release_abandoned(
    connection: sa.Connection,
    held_by_worker: Sequence[Attempt],
    sign: Sign,
    now: float,
    retries: Callable[[Study], int],
) -> bool:
    """End attempts that a worker holds but does not execute; return whether none is left.

    Args:
        connection: of the transaction of the claim or beat, which holds no lock yet.
        held_by_worker: what is leased to the worker, read in this transaction.
        sign: what the worker has just done.
        now: the database's time.
        retries: returns the allowed retries of a study.

    Raises:
        StudyFaultError: the rows of the study of such an attempt are at fault.
    """
    is_free = True
    for held in held_by_worker:
        with study_step(held.study_id, "ending its lost attempts", attempt=held.id):
            is_abandoned = _is_abandoned(held, sign, now)
            if is_abandoned:
                _release(connection, held, sign, now, retries)
        is_free = is_free and is_abandoned
    return is_free


def _is_abandoned(held: Attempt, sign: Sign, now: float) -> bool:
    if sign == "new process" or (sign == "claim" and not held.heard):
        return True
    # Every message about the attempt, and its claim, renewed the whole lease.
    if held.lease_until is None:
        raise ValueError(f"attempt {held.id} is leased, but not until when")
    return now - (held.lease_until - LEASE_S) > 2 * BEAT_S


def _release(
    connection: sa.Connection,
    held: Attempt,
    sign: Sign,
    now: float,
    retries: Callable[[Study], int],
) -> None:
    study = hold_study(connection, held.id)
    if study is None:
        return  # deleted just now
    lock_attempts(connection, held.study_id, held.number)
    attempt = read_attempt(connection, held.id)
    is_leased = attempt is not None and attempt.state is AttemptState.LEASED
    if attempt is None or not is_leased or attempt.lease_until != held.lease_until:
        return  # ended, or heard of, just now
    facts = {"attempt": attempt.id, "worker": attempt.worker}
    # A process that died may have started the attempt and died of it: that must use up the retries.
    if (
        not attempt.heard
        and sign != "new process"
        and times_given_back(connection, attempt.study_id, attempt.number) < MAX_GIVEN_BACK
    ):
        logger.warning("attempt never reached its worker", extra=facts)
        _give_back(connection, study, attempt, now)
        return
    logger.warning("attempt lost", extra=facts)
    text = f"worker {attempt.worker} on {attempt.host} continued without it"
    ending = Ending(
        state=TrialState.FAIL, cause="lost", error=text, attempt_state=AttemptState.LOST
    )
    end_attempt(connection, study, attempt, ending, now, retries=retries(study))


def _give_back(connection: sa.Connection, study: Study, attempt: Attempt, now: float) -> None:
    """Revoke an attempt that nobody has started, and offer its trial again without a retry used."""
    if lock_trial(connection, attempt.study_id, attempt.number).state.is_ended:
        return
    # Never claimed as far as anybody has seen: it has no folder and does not count as an execution.
    set_attempt(connection, attempt.id, state=AttemptState.REVOKED, claimed=None, finished=now)
    no = 1 + last_no(connection, attempt.study_id, attempt.number)
    successor = insert_attempt(
        connection, study, attempt.number, no, now, excluded=attempt.excluded
    )
    set_trial(connection, attempt.study_id, attempt.number, state=TrialState.WAITING)
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
