"""Processes reports: stores them once, asks the pruner, and counts them as a sign of life."""

from __future__ import annotations

import sqlalchemy as sa

from tuner import protocol
from tuner.coordinator.judging import save_marks, tell_stop
from tuner.coordinator.loop import Coordinator
from tuner.errors import FencedError
from tuner.protocol import LEASE_S, check_report, decode_number
from tuner.service.studies.growing import Growing
from tuner.service.workers.apart import set_study_aside
from tuner.storage import Storage
from tuner.trials.attempt import Attempt
from tuner.trials.ending.breaker import forgive
from tuner.trials.faults import StudyFaultError, study_step
from tuner.trials.states import AttemptState, TrialState
from tuner.trials.store.attempts import lock_attempt, lock_later, revoke_later, set_attempt
from tuner.trials.store.reports import store_points
from tuner.trials.store.trials import lock_trial, set_trial, trial_of


class Reporting:
    """Stores reports and says whether the trial continues. Thread-safe."""

    def __init__(self, storage: Storage, coordinator: Coordinator) -> None:
        self._storage = storage
        self._coordinator = coordinator
        self._growing = Growing(storage)

    def report(self, attempt_id: str, report: protocol.Report) -> protocol.Reply:
        """Store reports and say whether the trial continues.

        Raises:
            NotFoundError: there is no such attempt.
            FencedError: the token is not the attempt's, or the attempt has ended.
            ProtocolError: a part of it is out of bounds.
        """
        check_report(report)
        try:
            if report.found:
                problem = self._growing.take(attempt_id, report.token, report.found, ends=True)
                self._coordinator.wake()
                if problem:
                    return protocol.Reply(order="cancel", reason=problem)
            return self._report(attempt_id, report, judged=True)
        except StudyFaultError as fault:
            # Its training may continue: the report is stored, and its result will be accepted.
            set_study_aside(self._storage, fault)
            return self._report(attempt_id, report, judged=False)

    def _report(self, attempt_id: str, report: protocol.Report, *, judged: bool) -> protocol.Reply:
        with self._storage.begin() as connection:
            now = self._storage.now(connection)
            attempt = lock_attempt(connection, attempt_id, report.token)
            if attempt.state is AttemptState.CANCELLED:
                return protocol.Reply(order="cancel")
            if not attempt.state.is_held:
                raise FencedError(f"attempt {attempt_id} has ended ({attempt.state.value})")
            store_points(connection, attempt, report.points, now)
            extend_lease(connection, attempt, now)
            order = attempt.wanted
            if judged:
                with study_step(attempt.study_id, "taking a report"):
                    order = self._judge(connection, attempt, report.points, now)
        return protocol.Reply(order=order)

    def _judge(
        self,
        connection: sa.Connection,
        attempt: Attempt,
        points: list[protocol.Point],
        now: float,
    ) -> protocol.Order:
        if attempt.wanted != "continue" or not points:
            return attempt.wanted
        pairs = [(point.step, decode_number(point.value)) for point in points]
        verdict = self._coordinator.judge(attempt.study_id, attempt.number, attempt.no, pairs)
        if verdict is None:
            set_attempt(connection, attempt.id, judged=False)
            return "continue"
        if verdict.attrs:
            save_marks(connection, trial_of(connection, attempt).optuna_id, verdict.attrs)
        if not verdict.prune:
            return "continue"
        set_attempt(connection, attempt.id, wanted="prune")
        tell_stop(connection, now, attempt, verdict.attrs)
        return "prune"


def extend_lease(connection: sa.Connection, attempt: Attempt, now: float) -> None:
    """Extend the lease; restore a lost attempt as long as its successor has not started.

    Raises:
        FencedError: the attempt was lost and its trial has an outcome meanwhile.
    """
    if attempt.state is AttemptState.LOST and not _take_back(connection, attempt, now):
        return  # it may still win the race, without a lease
    set_attempt(
        connection,
        attempt.id,
        state=AttemptState.LEASED,
        lease_until=now + LEASE_S,
        cause=None,
        error="",
        finished=None,
        heard=True,
    )


def _take_back(connection: sa.Connection, attempt: Attempt, now: float) -> bool:
    # Locked before their trial, as a claim or a finish of one of them does.
    states = lock_later(connection, attempt)
    if lock_trial(connection, attempt.study_id, attempt.number).state.is_ended:
        raise FencedError(f"trial {attempt.number} already has an outcome")
    if any(state not in (AttemptState.READY, AttemptState.REVOKED) for state in states):
        return False
    set_trial(connection, attempt.study_id, attempt.number, state=TrialState.RUNNING)
    revoke_later(connection, attempt, now)
    forgive(connection, attempt)
    return True
