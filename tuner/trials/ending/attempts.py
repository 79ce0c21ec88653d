"""The life of an attempt: created, claimed, ended; and what its end means for the trial.

Every function runs inside the caller's transaction. The server and the coordinator both use them,
so an attempt ends the same way whether its worker reports it or its lease expires.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from tuner.protocol import Cause
from tuner.trials.attempt import Attempt
from tuner.trials.causes import POLICIES, delay_s, runs_again
from tuner.trials.ending.breaker import note_end
from tuner.trials.ending.outcomes import set_outcome
from tuner.trials.states import AttemptState, StudyState, TrialState
from tuner.trials.store.attempts import (
    earlier_causes,
    has_other_live,
    insert_attempt,
    last_no,
    set_attempt,
)
from tuner.trials.store.events import record_event
from tuner.trials.store.trials import Outcome, lock_trial, set_trial
from tuner.trials.study import Study
from tuner.trials.trial import Trial


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How an attempt ended."""

    #: State of the trial if this attempt decides it: COMPLETE, PRUNED or FAIL.
    state: TrialState
    cause: Cause | None = None
    error: str = ""
    values: Sequence[float] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    duration_s: float | None = None
    exit_status: int | None = None
    digest: str | None = None
    #: State of the attempt itself.
    attempt_state: AttemptState = AttemptState.DONE


def end_attempt(
    connection: sa.Connection,
    study: Study,
    attempt: Attempt,
    ending: Ending,
    now: float,
    *,
    retries: int,
    trial: Trial | None = None,
) -> Trial | None:
    """End an attempt whose trial has no outcome yet; return the trial if this decided its outcome.

    A cause that calls for a retry creates the next attempt in the same transaction. Otherwise this
    ending becomes the trial's outcome, and all its other live attempts are called off.

    Args:
        attempt: that ended.
        now: the database's time.
        retries: as the spec has it: how often a trial runs again after its own failure.
        trial: of the attempt, where the transaction holds it already.
    """
    if trial is None:
        trial = lock_trial(connection, attempt.study_id, attempt.number)
    cause = ending.cause
    earlier = [] if cause is None else earlier_causes(connection, attempt)
    is_outcome = not (
        cause is not None
        and study.state in (StudyState.RUNNING, StudyState.PAUSED)
        and runs_again(cause, earlier, retries=retries)
    )
    _close(connection, attempt, ending, now)
    decided = None
    if is_outcome or cause is None:
        outcome = _outcome(attempt, ending)
        decided = set_outcome(connection, attempt.study_id, attempt.number, outcome, now)
    else:
        _retry(connection, study, attempt, cause, now, delay_s(cause, earlier))
    retry_of = trial.proposal.get("retry_of") if cause is None else None
    note_end(connection, attempt, cause, now, retry_of=retry_of)
    return decided


def _outcome(attempt: Attempt, ending: Ending) -> Outcome:
    return Outcome(
        state=ending.state,
        cause=ending.cause,
        error=ending.error,
        values=ending.values,
        metrics=ending.metrics,
        counted=ending.cause is None or POLICIES[ending.cause].counted,
        attempt=attempt.id,
        duration_s=ending.duration_s,
    )


def _close(connection: sa.Connection, attempt: Attempt, ending: Ending, now: float) -> None:
    set_attempt(
        connection,
        attempt.id,
        state=ending.attempt_state,
        cause=ending.cause,
        error=ending.error,
        duration_s=ending.duration_s,
        exit_status=ending.exit_status,
        finish_digest=ending.digest,
        finished=now,
    )


def _retry(
    connection: sa.Connection,
    study: Study,
    attempt: Attempt,
    cause: Cause,
    now: float,
    wait_s: float,
) -> None:
    if has_other_live(connection, attempt):
        return
    excluded = attempt.excluded
    if POLICIES[cause].elsewhere and attempt.worker:
        excluded.append(attempt.worker)
    no = last_no(connection, attempt.study_id, attempt.number) + 1
    successor = insert_attempt(
        connection,
        study,
        attempt.number,
        no,
        now,
        excluded=excluded,
        not_before=now + wait_s if wait_s else 0.0,
    )
    set_trial(connection, attempt.study_id, attempt.number, state=TrialState.WAITING)
    record_event(
        connection,
        now,
        "attempt-" + cause,
        f"attempt {attempt.no} ended: {cause}; the trial runs again as attempt {no}",
        study_id=study.id,
        number=attempt.number,
        attempt=successor,
    )
