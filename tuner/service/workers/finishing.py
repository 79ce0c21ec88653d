"""Processes results. The first accepted finish of a trial is its outcome."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable

import sqlalchemy as sa

from tuner import protocol
from tuner.errors import FencedError, NotFoundError, SpecError, TunerError
from tuner.instruments import Instruments
from tuner.protocol import (
    ERROR_LINES,
    MAX_ERROR_CHARS,
    ProtocolError,
    check_finish,
    decode_number,
)
from tuner.service.answers.records import trial_record
from tuner.service.studies.code import fresh_modules, note_modules
from tuner.service.studies.growing import Growing
from tuner.service.workers.apart import set_study_aside
from tuner.storage import Storage
from tuner.trials.attempt import Attempt
from tuner.trials.ending.attempts import Ending, end_attempt
from tuner.trials.ending.breaker import hold_against
from tuner.trials.faults import StudyFaultError, study_step
from tuner.trials.specs import read_spec
from tuner.trials.states import AttemptState, TrialState, WorkerState
from tuner.trials.store.attempts import is_finished, lock_attempt, lock_attempts
from tuner.trials.store.listings.logbook import attempts_of
from tuner.trials.store.reports import last_value, store_points
from tuner.trials.store.studies import hold_study
from tuner.trials.store.trials import lock_trial, trial_of
from tuner.trials.store.workers import set_worker
from tuner.trials.study import Study
from tuner.trials.trial import Trial

#: Errors that are raised deliberately: answers to the worker.
TOLD = (TunerError, ProtocolError)

_STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


class Finishing:
    """Accepts or refuses results. Thread-safe."""

    def __init__(
        self,
        storage: Storage,
        instruments: Instruments,
        storage_problem: Callable[[], str | None],
    ) -> None:
        self._storage = storage
        self._storage_problem = storage_problem
        self._instruments = instruments
        self._growing = Growing(storage)

    def finish(self, attempt_id: str, finish: protocol.Finish) -> protocol.Finished:
        """Process the result of an attempt; raises as `_finish` does.

        Raises:
            FencedError: also if the study has damaged rows, for which it is paused. The worker
                releases the attempt; the trial runs again once the study is repaired.
        """
        try:
            return self._finish(attempt_id, finish)
        except StudyFaultError as fault:
            reason = set_study_aside(self._storage, fault)
            raise FencedError(f"the result cannot be taken: the study {reason}") from fault

    def _finish(self, attempt_id: str, finish: protocol.Finish) -> protocol.Finished:
        """Process the result of an attempt.

        Raises:
            NotFoundError: there is no such attempt.
            FencedError: the trial has an outcome, the attempt was cancelled, the token belongs to
                another attempt, or the attempt was finished with another body.
            ProtocolError: the result is out of bounds, or inconsistent.
            SpecError: it contradicts the study.
        """
        check_finish(finish)
        digest = hashlib.sha256(protocol.dumps(finish).encode()).hexdigest()
        if finish.found and not self._is_finished(attempt_id):
            problem = self._growing.take(attempt_id, finish.token, finish.found, ends=False)
            if problem and finish.outcome != "failed":
                finish = dataclasses.replace(
                    finish, outcome="failed", cause="error", error=problem, values=[]
                )
        with self._storage.begin() as connection:
            now = self._storage.now(connection)
            study = hold_study(connection, attempt_id)
            attempt = lock_attempt(connection, attempt_id, finish.token)
            if study is None:
                raise NotFoundError(f"the study of attempt {attempt_id} was deleted just now")
            is_new = attempt.finish_digest is None
            trial = None
            if is_new:
                with study_step(study.id, "taking a result", attempt=attempt.id, passing=TOLD):
                    trial = self._accept(connection, study, attempt, finish, digest, now)
            elif attempt.finish_digest != digest:
                raise FencedError(f"attempt {attempt_id} was finished with another result")
            with study_step(study.id, "taking a result", attempt=attempt.id, passing=TOLD):
                trial = trial or trial_of(connection, attempt)
                attempts = attempts_of(connection, attempt.study_id, attempt.number)
                attempt = next(one for one in attempts if one.id == attempt_id)
                record = trial_record(connection, study, trial, attempt, attempts)
        # In a separate transaction: a study's row is locked before its attempts and trials.
        if is_new and (fresh := fresh_modules(study, finish.modules)):
            with self._storage.begin() as connection:
                note_modules(connection, study.id, fresh)
        is_outcome = trial.outcome_attempt == attempt.id
        if is_new and not is_outcome and attempt.cause is not None:
            self._instruments.retried(attempt.cause)
        return protocol.Finished(is_outcome=is_outcome, record=record)

    def _is_finished(self, attempt_id: str) -> bool:
        """Whether the attempt has submitted its result, so that this is a repetition."""
        with self._storage.read() as connection:
            return is_finished(connection, attempt_id)

    def _accept(
        self,
        connection: sa.Connection,
        study: Study,
        attempt: Attempt,
        finish: protocol.Finish,
        digest: str,
        now: float,
    ) -> Trial | None:
        """Take a new result; return the trial if the result is its outcome."""
        if not attempt.state.is_held:
            raise FencedError(f"attempt {attempt.id} was called off ({attempt.state.value})")
        if attempt.state is AttemptState.LOST:
            # Its successor may be finished or claimed at this moment.
            lock_attempts(connection, attempt.study_id, attempt.number)
        # Locked from here on: two attempts of one trial may finish at the same moment.
        trial = lock_trial(connection, attempt.study_id, attempt.number)
        if trial.state.is_ended:
            raise FencedError(f"trial {attempt.number} already has an outcome")
        with study_step(study.id, "taking a result", attempt=attempt.id):
            spec = read_spec(study.spec_json)
        store_points(connection, attempt, finish.points, now)
        ending = _ending(connection, attempt, finish, digest, metrics=len(spec.metrics))
        decided = end_attempt(
            connection, study, attempt, ending, now, retries=spec.trial.retries, trial=trial
        )
        if ending.cause == "storage" and self._storage_problem() is None:
            # The log root can be written from here, so the fault is the worker's.
            hold_against(connection, attempt, now)
        if attempt.worker is not None and ending.cause is not None:
            # After a success the breaker has said so.
            set_worker(connection, attempt.worker, WorkerState.IDLE, None, now)
        return decided


def _ending(
    connection: sa.Connection,
    attempt: Attempt,
    finish: protocol.Finish,
    digest: str,
    *,
    metrics: int,
) -> Ending:
    values = [decode_number(value) for value in finish.values]
    state, cause, error = _STATES[finish.outcome], finish.cause, finish.error
    if finish.outcome == "complete":
        cause = None
        if len(values) != metrics:
            raise SpecError(f"values: the study has {metrics} metrics, got {len(values)}")
        if not all(map(math.isfinite, values)):
            # Never a score: a NaN stored as the best value cannot be beaten.
            state, cause = TrialState.FAIL, "diverged"
            error = error or f"the objective is {finish.values}"
    elif finish.outcome == "pruned":
        cause, last = None, last_value(connection, attempt)
        values = [] if last is None else [last]
    return Ending(
        state=state,
        cause=cause,
        error="\n".join(error.splitlines()[-ERROR_LINES:])[:MAX_ERROR_CHARS],
        values=[] if state is TrialState.FAIL else values,
        metrics=finish.metrics,
        duration_s=finish.duration_s,
        exit_status=finish.exit_status,
        digest=digest,
        attempt_state=AttemptState.FAILED if cause is not None else AttemptState.DONE,
    )
