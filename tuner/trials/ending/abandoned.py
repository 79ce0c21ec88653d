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

import logging
from collections.abc import Callable
from typing import Literal

import sqlalchemy as sa

from tuner.protocol import BEAT_S, LEASE_S
from tuner.trials.attempt import Attempt
from tuner.trials.ending.attempts import Ending, end_attempt
from tuner.trials.faults import study_step
from tuner.trials.states import AttemptState, TrialState
from tuner.trials.store.attempts import (
    held_by,
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

#: After so many times a trial is not given back for nothing again.
MAX_GIVEN_BACK = 5
#: What speaks for it that a worker does not execute what it holds.
Sign = Literal["new process", "claim", "idle"]


def release_abandoned(
    connection: sa.Connection,
    worker: str,
    sign: Sign,
    now: float,
    retries: Callable[[Study], int],
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
    for held in held_by(connection, worker):
        with study_step(held.study_id, "ending its lost attempts", attempt=held.id):
            is_abandoned = _is_abandoned(held, sign, now)
            if is_abandoned:
                _release(connection, held, sign, now, retries)
        is_free = is_free and is_abandoned
    return is_free


def _is_abandoned(held: Attempt, sign: Sign, now: float) -> bool:
    if sign == "new process" or (sign == "claim" and not held.heard):
        return True
    # Every word about the attempt, and its claim, gave it a whole lease.
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
    # A process that died may have begun, and died of it: that must use up the retries.
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
    """Revoke an attempt that nobody has begun, and offer its trial again, for nothing."""
    if lock_trial(connection, attempt.study_id, attempt.number).state.is_ended:
        return
    # Never claimed as far as anybody has seen: it has no folder, and is no execution of the trial.
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
