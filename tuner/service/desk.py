"""The workers' side: claim, report, beat, finish. Every call may be repeated.

The token is made by the worker before it claims; a call repeated with the same token gets the first
answer. Only `FencedError` takes an attempt away from a worker.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from tuner import protocol
from tuner.coordinator.attempts import ENDED, Ending, end_attempt
from tuner.coordinator.loop import Coordinator
from tuner.errors import FencedError, NotFoundError, SpecError
from tuner.protocol import LEASE_S
from tuner.service.assigning import build_assignment, choose_attempt
from tuner.service.records import trial_record
from tuner.spec import StudySpec, parse_spec
from tuner.storage import Storage, optuna_rows, tables

_TOKEN = re.compile(r"[0-9a-f]{32,64}")
_STATES = {"complete": "complete", "pruned": "pruned", "failed": "fail"}
#: A trial reports at most so many steps; more is a runaway loop.
MAX_STEP = 10_000_000


class WorkerDesk:
    """Answers workers. Safe to use from several threads."""

    def __init__(
        self,
        storage: Storage,
        coordinator: Coordinator,
        storage_problem: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._storage = storage
        self._coordinator = coordinator
        self._storage_problem = storage_problem
        self._specs: dict[tuple[int, int], StudySpec] = {}

    def claim(self, claim: protocol.Claim) -> protocol.Assignment | None:
        """Give the worker an attempt, or None when there is none for it.

        Raises:
            SpecError: the token is malformed.
        """
        if not _TOKEN.fullmatch(claim.token):
            raise SpecError("token: must be 32 to 64 hexadecimal characters")
        a = tables.attempts
        with self._storage.begin() as connection:
            now = self._storage.now(connection)
            mine = connection.execute(sa.select(a).where(a.c.token == claim.token)).first()
            drain = self._upsert_worker(connection, claim.worker, now)
            if mine is None and not drain and self._storage_problem() is None:
                mine = choose_attempt(connection, claim, now)
            state = "busy" if mine is not None else "idle"
            self._set_worker(connection, claim.worker.name, state, mine.id if mine else None, now)
            assignment = None
            if mine is not None:
                study = self._study(connection, mine.study_id)
                assignment = build_assignment(connection, study, mine, self._spec(study))
        if assignment is None:
            self._coordinator.wake()
        return assignment

    def report(self, attempt_id: str, report: protocol.Report) -> protocol.Reply:
        """Store reports and say whether the trial goes on.

        Raises:
            NotFoundError: there is no such attempt.
            FencedError: the token is not the attempt's, or the attempt has ended.
            SpecError: a step is out of range.
        """
        points = [(p.step, protocol.decode_number(p.value), p.metrics) for p in report.points]
        if any(not 1 <= step <= MAX_STEP for step, _, _ in points):
            raise SpecError(f"step: must be between 1 and {MAX_STEP}")
        with self._storage.begin() as connection:
            now = self._storage.now(connection)
            attempt = self._attempt(connection, attempt_id, report.token)
            if attempt.state == "cancelled":
                return protocol.Reply(order="cancel")
            if attempt.state not in ("leased", "lost"):
                raise FencedError(f"attempt {attempt_id} has ended ({attempt.state})")
            order = attempt.wanted
            self._store_points(connection, attempt, points, now)
            self._extend(connection, attempt, now)
            if order == "continue" and self._pruned(attempt, points):
                order = "prune"
                connection.execute(_update(attempt_id).values(wanted=order))
                self._persist_attrs(connection, attempt)
            elif points:
                self._persist_attrs(connection, attempt)
        return protocol.Reply(order=order)

    def beat(self, beat: protocol.Beat) -> protocol.Reply:
        """Note a worker's sign of life and extend its lease.

        Raises:
            FencedError: the attempt it runs was taken from it.
        """
        order: protocol.Order = "continue"
        with self._storage.begin() as connection:
            now = self._storage.now(connection)
            drain = self._upsert_worker(connection, beat.worker, now)
            running = beat.attempt if beat.state != "idle" else None
            self._set_worker(connection, beat.worker.name, beat.state, running, now)
            if beat.attempt is not None and beat.token is not None:
                attempt = self._attempt(connection, beat.attempt, beat.token)
                order = self._beat_attempt(connection, attempt, now)
        if beat.state == "idle":
            self._coordinator.wake()
        return protocol.Reply(order=order, drain=drain)

    def finish(self, attempt_id: str, finish: protocol.Finish) -> protocol.Finished:
        """Take the result of an attempt. The first accepted one is the trial's outcome.

        Raises:
            NotFoundError: there is no such attempt.
            FencedError: the trial has an outcome, the attempt was called off, the token is another
                attempt's, or the attempt was finished with another body.
            SpecError: the result contradicts itself or the study.
        """
        digest = hashlib.sha256(protocol.dumps(finish).encode()).hexdigest()
        with self._storage.begin() as connection:
            now = self._storage.now(connection)
            attempt = self._attempt(connection, attempt_id, finish.token)
            study = self._study(connection, attempt.study_id)
            if attempt.finish_digest is None:
                self._accept(connection, study, attempt, finish, digest, now)
            elif attempt.finish_digest != digest:
                raise FencedError(f"attempt {attempt_id} was finished with another result")
            attempt = self._attempt(connection, attempt_id, finish.token)
            trial = self._trial(connection, attempt)
            is_outcome = trial.outcome_attempt == attempt.id
            record = trial_record(connection, study, trial, attempt)
        self._coordinator.wake()
        return protocol.Finished(is_outcome=is_outcome, record=record)

    def code(self, digest: str) -> bytes:
        """Return a code snapshot.

        Raises:
            NotFoundError: there is no such snapshot.
        """
        table = tables.snapshots
        with self._storage.read() as connection:
            content = connection.execute(
                sa.select(table.c.content).where(table.c.hash == digest)
            ).scalar_one_or_none()
        if content is None:
            raise NotFoundError(f"there is no code snapshot {digest}")
        return bytes(content)

    def _accept(
        self,
        connection: sa.Connection,
        study: sa.Row[Any],
        attempt: sa.Row[Any],
        finish: protocol.Finish,
        digest: str,
        now: float,
    ) -> None:
        if attempt.state not in ("leased", "lost"):
            raise FencedError(f"attempt {attempt.id} was called off ({attempt.state})")
        if self._trial(connection, attempt).state in ENDED:
            raise FencedError(f"trial {attempt.number} has an outcome already")
        spec = self._spec(study)
        points = [(p.step, protocol.decode_number(p.value), p.metrics) for p in finish.points]
        self._store_points(connection, attempt, points, now)
        ending = self._ending(connection, attempt, finish, digest, len(spec.metrics))
        end_attempt(connection, study, attempt, ending, now, retries=spec.trial.retries)
        self._set_worker(connection, attempt.worker, "idle", None, now)

    def _ending(
        self,
        connection: sa.Connection,
        attempt: sa.Row[Any],
        finish: protocol.Finish,
        digest: str,
        metrics: int,
    ) -> Ending:
        values = [protocol.decode_number(value) for value in finish.values]
        cause, error = finish.cause, finish.error
        state = _STATES[finish.outcome]
        if finish.outcome == "failed" and cause is None:
            raise SpecError("cause: a failed attempt needs one")
        if finish.outcome == "complete":
            if len(values) != metrics:
                raise SpecError(f"values: the study has {metrics} metrics, got {len(values)}")
            if not all(map(_is_finite, values)):
                # Never a score: a NaN that is stored as best cannot be beaten.
                state, cause, values = "fail", "diverged", []
                error = error or f"the objective is {finish.values}"
        elif finish.outcome == "pruned":
            cause, values = None, self._last_report(connection, attempt)
        else:
            values = []
        return Ending(
            state=state,
            cause=cause,
            error=_last_lines(error),
            values=values,
            metrics=finish.metrics,
            duration_s=finish.duration_s,
            exit_status=finish.exit_status,
            digest=digest,
            attempt_state="failed" if cause is not None else "done",
        )

    def _last_report(self, connection: sa.Connection, attempt: sa.Row[Any]) -> list[float]:
        r = tables.reports
        value = connection.execute(
            sa.select(r.c.value)
            .where(
                r.c.study_id == attempt.study_id,
                r.c.number == attempt.number,
                r.c.no == attempt.no,
            )
            .order_by(r.c.step.desc())
            .limit(1)
        ).scalar_one_or_none()
        return [] if value is None else [float(value)]

    def _beat_attempt(
        self, connection: sa.Connection, attempt: sa.Row[Any], now: float
    ) -> protocol.Order:
        if attempt.state == "cancelled":
            return "cancel"
        if attempt.state not in ("leased", "lost"):
            raise FencedError(f"attempt {attempt.id} has ended ({attempt.state})")
        self._extend(connection, attempt, now)
        wanted: protocol.Order = attempt.wanted
        return wanted

    def _extend(self, connection: sa.Connection, attempt: sa.Row[Any], now: float) -> None:
        """Extend the lease; take a lost attempt back as long as nobody has begun its successor."""
        a = tables.attempts
        if attempt.state == "lost":
            successors = (
                sa.select(a.c.state)
                .where(
                    a.c.study_id == attempt.study_id,
                    a.c.number == attempt.number,
                    a.c.no > attempt.no,
                )
                .with_for_update()
            )
            states = list(connection.execute(successors).scalars())
            if any(state != "ready" for state in states):
                return  # it may still win the race, without a lease
            connection.execute(
                a.update()
                .where(
                    a.c.study_id == attempt.study_id,
                    a.c.number == attempt.number,
                    a.c.no > attempt.no,
                )
                .values(state="revoked", finished=now)
            )
            t = tables.trials
            connection.execute(
                t.update()
                .where(t.c.study_id == attempt.study_id, t.c.number == attempt.number)
                .where(t.c.state == "waiting")
                .values(state="running")
            )
        connection.execute(
            _update(attempt.id).values(
                lease_until=now + LEASE_S, state="leased", cause=None, error="", finished=None
            )
        )

    def _store_points(
        self,
        connection: sa.Connection,
        attempt: sa.Row[Any],
        points: list[tuple[int, float, dict[str, float]]],
        now: float,
    ) -> None:
        r = tables.reports
        if not points:
            return
        mine = [r.c.study_id == attempt.study_id, r.c.number == attempt.number]
        known = set(
            connection.execute(
                sa.select(r.c.step).where(
                    *mine, r.c.no == attempt.no, r.c.step.in_([step for step, _, _ in points])
                )
            ).scalars()
        )
        rows = {
            step: {
                "study_id": attempt.study_id,
                "number": attempt.number,
                "no": attempt.no,
                "step": step,
                "value": value if _is_finite(value) else None,
                "special": None if _is_finite(value) else str(protocol.encode_number(value)),
                "metrics_json": json.dumps(metrics) if metrics else None,
                "time": now,
            }
            for step, value, metrics in points
            if step not in known
        }
        if rows:
            connection.execute(r.insert(), list(rows.values()))

    def _pruned(
        self, attempt: sa.Row[Any], points: list[tuple[int, float, dict[str, float]]]
    ) -> bool:
        pairs = [(step, value) for step, value, _ in points]
        return self._coordinator.report(attempt.study_id, attempt.number, pairs)

    def _persist_attrs(self, connection: sa.Connection, attempt: sa.Row[Any]) -> None:
        """Store what the pruner noted on the trial: without it a restart would prune differently."""
        attrs = {
            key: value
            for key, value in self._coordinator.attrs_of(attempt.study_id, attempt.number).items()
            if key.startswith("completed_rung_")
        }
        if attrs:
            trial = self._trial(connection, attempt)
            optuna_rows.set_trial_attrs(connection, trial.optuna_id, attrs)

    def _attempt(self, connection: sa.Connection, attempt_id: str, token: str) -> sa.Row[Any]:
        a = tables.attempts
        row = connection.execute(sa.select(a).where(a.c.id == attempt_id).with_for_update()).first()
        if row is None:
            raise NotFoundError(f"there is no attempt {attempt_id}")
        if row.token != token:
            raise FencedError(f"attempt {attempt_id} belongs to another claim")
        return row

    def _trial(self, connection: sa.Connection, attempt: sa.Row[Any]) -> sa.Row[Any]:
        t = tables.trials
        return connection.execute(
            sa.select(t).where(t.c.study_id == attempt.study_id, t.c.number == attempt.number)
        ).one()

    def _study(self, connection: sa.Connection, study_id: int) -> sa.Row[Any]:
        s = tables.studies
        return connection.execute(sa.select(s).where(s.c.id == study_id)).one()

    def _spec(self, study: sa.Row[Any]) -> StudySpec:
        key = (study.id, study.revision)
        if key not in self._specs:
            self._specs[key] = parse_spec(json.loads(study.spec_json))
        return self._specs[key]

    def _upsert_worker(
        self, connection: sa.Connection, worker: protocol.WorkerInfo, now: float
    ) -> bool:
        """Note that the worker exists; return whether it is to leave."""
        w = tables.workers
        row = connection.execute(sa.select(w.c.drain).where(w.c.name == worker.name)).first()
        if row is not None:
            return bool(row.drain)
        connection.execute(
            w.insert().values(
                name=worker.name,
                host=worker.host,
                pid=worker.pid,
                device=worker.device,
                device_id=worker.device_id,
                image=worker.image,
                release=worker.release,
                state="idle",
                first_seen=now,
                last_seen=now,
            )
        )
        return False

    def _set_worker(
        self, connection: sa.Connection, name: str, state: str, attempt: str | None, now: float
    ) -> None:
        w = tables.workers
        connection.execute(
            w.update().where(w.c.name == name).values(state=state, attempt=attempt, last_seen=now)
        )


def _update(attempt_id: str) -> sa.Update:
    return tables.attempts.update().where(tables.attempts.c.id == attempt_id)


def _is_finite(value: float) -> bool:
    return value - value == 0.0


def _last_lines(text: str) -> str:
    return "\n".join(text.splitlines()[-protocol.ERROR_LINES :])[:20_000]
