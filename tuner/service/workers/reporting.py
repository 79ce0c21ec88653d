"""Taking in reports: stored once, judged by the pruner, and a sign of life."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from tuner import protocol
from tuner.coordinator.judging import save_marks, tell_stop
from tuner.coordinator.loop import Coordinator
from tuner.errors import FencedError
from tuner.protocol import LEASE_S, check_report, decode_number
from tuner.service.studies.growing import Growing
from tuner.service.workers.apart import set_study_aside
from tuner.storage import Storage, tables
from tuner.trials.attempts import ENDED, UPDATE_ATTEMPT, lock_trial
from tuner.trials.breaker import forgive
from tuner.trials.faults import StudyFaultError, study_step
from tuner.trials.rows import lock_attempt, trial_of


class Reporting:
    """Stores reports and says whether the trial goes on. Safe to use from several threads."""

    def __init__(self, storage: Storage, coordinator: Coordinator) -> None:
        self._storage = storage
        self._coordinator = coordinator
        self._growing = Growing(storage)

    def report(self, attempt_id: str, report: protocol.Report) -> protocol.Reply:
        """Store reports and say whether the trial goes on.

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
            # Its training is worth going on: the report is stored, and its result will be asked.
            set_study_aside(self._storage, fault)
            return self._report(attempt_id, report, judged=False)

    def _report(self, attempt_id: str, report: protocol.Report, *, judged: bool) -> protocol.Reply:
        with self._storage.begin() as connection:
            now = self._storage.now(connection)
            attempt = lock_attempt(connection, attempt_id, report.token)
            if attempt.state == "cancelled":
                return protocol.Reply(order="cancel")
            if attempt.state not in ("leased", "lost"):
                raise FencedError(f"attempt {attempt_id} has ended ({attempt.state})")
            store_points(connection, attempt, report.points, now)
            extend_lease(connection, attempt, now)
            order: protocol.Order = attempt.wanted
            if judged:
                with study_step(attempt.study_id, "taking a report"):
                    order = self._judge(connection, attempt, report.points, now)
        return protocol.Reply(order=order)

    def _judge(
        self,
        connection: sa.Connection,
        attempt: sa.Row[Any],
        points: list[protocol.Point],
        now: float,
    ) -> protocol.Order:
        if attempt.wanted != "continue" or not points:
            wanted: protocol.Order = attempt.wanted
            return wanted
        pairs = [(point.step, decode_number(point.value)) for point in points]
        verdict = self._coordinator.judge(attempt.study_id, attempt.number, attempt.no, pairs)
        if verdict is None:
            connection.execute(UPDATE_ATTEMPT, {"of_id": attempt.id, "judged": False})
            return "continue"
        if verdict.attrs:
            save_marks(connection, trial_of(connection, attempt).optuna_id, verdict.attrs)
        if not verdict.prune:
            return "continue"
        connection.execute(UPDATE_ATTEMPT, {"of_id": attempt.id, "wanted": "prune"})
        tell_stop(connection, now, attempt, verdict.attrs)
        return "prune"


def store_points(
    connection: sa.Connection, attempt: sa.Row[Any], points: list[protocol.Point], now: float
) -> None:
    """Insert the reports that are not there yet; the first one of a step counts."""
    r = tables.reports
    if not points:
        return
    known = set(
        connection.execute(
            sa.select(r.c.step).where(
                r.c.study_id == attempt.study_id,
                r.c.number == attempt.number,
                r.c.no == attempt.no,
                r.c.step.in_([point.step for point in points]),
            )
        ).scalars()
    )
    rows: dict[int, dict[str, Any]] = {}
    for point in points:
        if point.step not in known:
            rows.setdefault(point.step, _row(attempt, point, now))
    if rows:
        connection.execute(r.insert(), list(rows.values()))


def _row(attempt: sa.Row[Any], point: protocol.Point, now: float) -> dict[str, Any]:
    wire = protocol.encode_number(decode_number(point.value))
    return {
        "study_id": attempt.study_id,
        "number": attempt.number,
        "no": attempt.no,
        "step": point.step,
        "value": None if isinstance(wire, str) else wire,
        "special": wire if isinstance(wire, str) else None,
        "metrics_json": json.dumps(point.metrics) if point.metrics else None,
        "time": now,
    }


def extend_lease(connection: sa.Connection, attempt: sa.Row[Any], now: float) -> None:
    """Extend the lease; take a lost attempt back as long as nobody has begun its successor.

    Raises:
        FencedError: the attempt was lost and its trial has an outcome meanwhile.
    """
    if attempt.state == "lost" and not _take_back(connection, attempt, now):
        return  # it may still win the race, without a lease
    values = {"state": "leased", "cause": None, "error": "", "finished": None, "heard": True}
    lease = {"of_id": attempt.id, "lease_until": now + LEASE_S}
    connection.execute(UPDATE_ATTEMPT, {**lease, **values})


def _take_back(connection: sa.Connection, attempt: sa.Row[Any], now: float) -> bool:
    a, t = tables.attempts, tables.trials
    later = (
        a.c.study_id == attempt.study_id,
        a.c.number == attempt.number,
        a.c.no > attempt.no,
    )
    # Locked before their trial, as a claim or a finish of one of them does.
    query = sa.select(a.c.state).where(*later).order_by(a.c.no).with_for_update()
    states = connection.execute(query).scalars().all()
    if lock_trial(connection, attempt.study_id, attempt.number).state in ENDED:
        raise FencedError(f"trial {attempt.number} has an outcome already")
    if any(state not in ("ready", "revoked") for state in states):
        return False
    connection.execute(
        t.update()
        .where(t.c.study_id == attempt.study_id, t.c.number == attempt.number)
        .values(state="running")
    )
    connection.execute(
        a.update().where(*later, a.c.state == "ready").values(state="revoked", finished=now)
    )
    forgive(connection, attempt)
    return True
