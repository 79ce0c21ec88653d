"""What users can ask: lists, states, leaderboards. Read from our tables, never through Optuna."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tuner.coordinator.curves import stored_value
from tuner.coordinator.demand import UNHEARD_S
from tuner.coordinator.lifecycle import active_s
from tuner.errors import NotFoundError, SpecError
from tuner.protocol import NAME_PATTERN
from tuner.service.pareto import pareto_front
from tuner.service.records import attempt_document
from tuner.service.times import iso
from tuner.settings import Settings
from tuner.storage import Storage, tables

Document = dict[str, Any]
_STATES = ("waiting", "running", "complete", "pruned", "fail")
_STUDY = re.compile(f"{NAME_PATTERN}/{NAME_PATTERN}")
MAX_ROWS = 10_000
LOG_BYTES = 1 << 20


class Reader:
    """Answers questions about studies, trials and workers; changes nothing."""

    def __init__(self, storage: Storage, settings: Settings) -> None:
        self._storage = storage
        self._settings = settings

    def list(self) -> list[Document]:
        """Return the status of every study, newest first."""
        with self._storage.read() as connection:
            s = tables.studies
            rows = connection.execute(sa.select(s).order_by(s.c.created.desc())).all()
            return [self._status(connection, row) for row in rows]

    def status(self, study: str) -> Document:
        """Return the state of a study.

        Raises:
            NotFoundError: there is no such study.
        """
        with self._storage.read() as connection:
            return self._status(connection, find_study(connection, study))

    def best(self, study: str, n: int = 10, *, all: bool = False) -> list[Document]:
        """Return the best trials, best first; ties go to the lower number.

        Several metrics: the Pareto front. With `all`, PRUNED and then FAIL follow.
        """
        with self._storage.read() as connection:
            row = find_study(connection, study)
            metrics = _metrics(row)
            trials = (
                self._front(connection, row, metrics)
                if len(metrics) > 1
                else self._ranked(connection, row, metrics[0]["goal"], n)
            )
            if all:
                trials += self._in_state(connection, row, "pruned", metrics[0]["goal"])
                trials += self._in_state(connection, row, "fail", None)
            return self._trial_documents(connection, row, trials[:n])

    def trials(
        self, study: str, state: str | None = None, limit: int = 1000, offset: int = 0
    ) -> list[Document]:
        """Return trials in number order, optionally those of one state.

        Raises:
            SpecError: `state` is none of waiting, running, complete, pruned, fail.
        """
        if state is not None and state not in _STATES:
            raise SpecError(f"state: {state!r}: one of {', '.join(_STATES)}")
        t = tables.trials
        with self._storage.read() as connection:
            row = find_study(connection, study)
            query = sa.select(t).where(t.c.study_id == row.id).order_by(t.c.number)
            if state is not None:
                query = query.where(t.c.state == state)
            query = query.limit(min(max(limit, 0), MAX_ROWS)).offset(max(offset, 0))
            found = connection.execute(query).all()
            return self._trial_documents(connection, row, found)

    def show(self, study: str, number: int) -> Document:
        """Return everything about a trial: its attempts, reports and events."""
        t, a, r, e = tables.trials, tables.attempts, tables.reports, tables.events
        with self._storage.read() as connection:
            row = find_study(connection, study)
            trial = find_trial(connection, row, number)
            (document,) = self._trial_documents(connection, row, [trial])
            mine = [
                lambda table: table.c.study_id == row.id,
                lambda table: table.c.number == number,
            ]
            attempts = connection.execute(
                sa.select(a).where(*(m(a) for m in mine)).order_by(a.c.no)
            ).all()
            reports = connection.execute(
                sa.select(r).where(*(m(r) for m in mine)).order_by(r.c.no, r.c.step)
            ).all()
            events = connection.execute(
                sa.select(e).where(*(m(e) for m in mine)).order_by(e.c.id)
            ).all()
        del t
        return {
            **document,
            "values": json.loads(trial.values_json) if trial.values_json else [],
            "error": trial.error,
            "seed": trial.seed,
            "proposal": json.loads(trial.proposal_json),
            "attempt_list": [attempt_document(attempt) for attempt in attempts],
            "reports": [
                {
                    "attempt": report.no,
                    "step": report.step,
                    "value": None if report.special else stored_value(report),
                    "time": iso(report.time),
                }
                for report in reports
            ],
            "events": [_event(event) for event in events],
        }

    def log(self, study: str, number: int, offset: int = 0, limit: int = 65536) -> Document:
        """Return what the trial's newest attempt printed, from byte `offset` on.

        Returns:
            `text`, `next_offset` (where to go on) and `size` of the log, in bytes.
        """
        a = tables.attempts
        with self._storage.read() as connection:
            row = find_study(connection, study)
            find_trial(connection, row, number)
            run_dir = connection.execute(
                sa.select(a.c.run_dir)
                .where(a.c.study_id == row.id, a.c.number == number, a.c.claimed.is_not(None))
                .order_by(a.c.no.desc())
                .limit(1)
            ).scalar_one_or_none()
        if run_dir is None:
            return {"text": "", "next_offset": 0, "size": 0}
        return _read_log(self._settings.log_root / run_dir / "output.log", offset, limit)

    def events(self, study: str, after: int = 0, limit: int = 1000) -> list[Document]:
        """Return the events of a study with an id above `after`, oldest first."""
        e = tables.events
        with self._storage.read() as connection:
            row = find_study(connection, study)
            query = (
                sa.select(e)
                .where(e.c.study_id == row.id, e.c.id > after)
                .order_by(e.c.id)
                .limit(min(max(limit, 0), MAX_ROWS))
            )
            return [_event(event) for event in connection.execute(query)]

    def workers(self) -> list[Document]:
        """Return the workers heard of within the last lease, and what they run."""
        w, a, s = tables.workers, tables.attempts, tables.studies
        with self._storage.read() as connection:
            now = self._storage.now(connection)
            query = (
                sa.select(w, a.c.number, a.c.no, s.c.project, s.c.name.label("study"))
                .outerjoin(a, a.c.id == w.c.attempt)
                .outerjoin(s, s.c.id == a.c.study_id)
                .where(w.c.state != "gone", w.c.last_seen > now - UNHEARD_S)
                .order_by(w.c.name)
            )
            return [_worker(row) for row in connection.execute(query)]

    def _status(self, connection: sa.Connection, row: sa.Row[Any]) -> Document:
        t, a = tables.trials, tables.attempts
        counts = dict.fromkeys(_STATES, 0)
        used = 0
        query = (
            sa.select(t.c.state, t.c.counted, sa.func.count())
            .where(t.c.study_id == row.id)
            .group_by(t.c.state, t.c.counted)
        )
        for state, counted, count in connection.execute(query):
            counts[state] += count
            used += count if counted and state in ("complete", "pruned", "fail") else 0
        workers = connection.execute(
            sa.select(sa.func.count()).where(a.c.study_id == row.id, a.c.state == "leased")
        ).scalar_one()
        spec = json.loads(row.spec_json)
        budget = spec["budget"]
        now = self._storage.now(connection)
        return {
            "study": f"{row.project}/{row.name}",
            "state": row.state,
            "reason": row.reason,
            "counts": counts,
            "best": self._best_of(connection, row),
            "workers": workers,
            "budget": {
                "trials": budget.get("trials"),
                "used": used,
                "hours": budget.get("hours"),
                "used_hours": round(active_s(row, now) / 3600, 4),
                "target": budget.get("target"),
                "patience": budget.get("patience"),
            },
            "metrics": _metrics(row),
            "parallel": spec.get("parallel"),
            "created": iso(row.created),
            "started": iso(row.started),
            "finished": iso(row.finished),
        }

    def _best_of(self, connection: sa.Connection, row: sa.Row[Any]) -> Document | None:
        metrics = _metrics(row)
        if len(metrics) > 1:
            front = self._front(connection, row, metrics)
            if not front:
                return None
            return {"trial": front[0].number, "objective": None, "pareto": len(front)}
        ranked = self._ranked(connection, row, metrics[0]["goal"], 1)
        if not ranked:
            return None
        return {"trial": ranked[0].number, "objective": ranked[0].objective}

    def _ranked(
        self, connection: sa.Connection, row: sa.Row[Any], goal: str, n: int
    ) -> list[sa.Row[Any]]:
        t = tables.trials
        order = t.c.objective.desc() if goal == "maximize" else t.c.objective.asc()
        query = (
            sa.select(t)
            .where(t.c.study_id == row.id, t.c.state == "complete", t.c.objective.is_not(None))
            .order_by(order, t.c.number)
            .limit(max(n, 0))
        )
        return list(connection.execute(query))

    def _front(
        self, connection: sa.Connection, row: sa.Row[Any], metrics: list[dict[str, str]]
    ) -> list[sa.Row[Any]]:
        t = tables.trials
        query = (
            sa.select(t).where(t.c.study_id == row.id, t.c.state == "complete").order_by(t.c.number)
        )
        rows = list(connection.execute(query))
        values = [json.loads(trial.values_json) for trial in rows]
        return [rows[i] for i in pareto_front(values, [m["goal"] for m in metrics])]

    def _in_state(
        self, connection: sa.Connection, row: sa.Row[Any], state: str, goal: str | None
    ) -> list[sa.Row[Any]]:
        t = tables.trials
        query = sa.select(t).where(t.c.study_id == row.id, t.c.state == state)
        if goal is not None:
            # NULL sorts differently in the two databases.
            order = t.c.objective.desc() if goal == "maximize" else t.c.objective.asc()
            query = query.order_by(t.c.objective.is_(None), order)
        return list(connection.execute(query.order_by(t.c.number).limit(MAX_ROWS)))

    def _trial_documents(
        self, connection: sa.Connection, study: sa.Row[Any], trials: list[sa.Row[Any]]
    ) -> list[Document]:
        runs = _runs(connection, study.id, [trial.number for trial in trials])
        return [_trial(trial, *runs.get(trial.number, (0, None))) for trial in trials]


def find_study(connection: sa.Connection, study: str) -> sa.Row[Any]:
    """Return the row of `project/study`.

    Raises:
        SpecError: the name is malformed.
        NotFoundError: there is no such study.
    """
    if not _STUDY.fullmatch(study):
        raise SpecError(f"{study[:100]!r} is not a study; write project/study")
    project, name = study.split("/")
    s = tables.studies
    row = connection.execute(sa.select(s).where(s.c.project == project, s.c.name == name)).first()
    if row is None:
        known = connection.execute(
            sa.select(s.c.project, s.c.name).order_by(s.c.created.desc()).limit(5)
        ).all()
        hint = ", ".join(f"{k.project}/{k.name}" for k in known) or "none yet"
        raise NotFoundError(f"there is no study {study}; newest: {hint}")
    return row


def find_trial(connection: sa.Connection, study: sa.Row[Any], number: int) -> sa.Row[Any]:
    """Return the row of a trial.

    Raises:
        NotFoundError: the study has no such trial.
    """
    t = tables.trials
    row = connection.execute(
        sa.select(t).where(t.c.study_id == study.id, t.c.number == number)
    ).first()
    if row is None:
        name = f"{study.project}/{study.name}"
        raise NotFoundError(f"{name} has no trial {number}; it has {study.next_number} trials")
    return row


def _metrics(study: sa.Row[Any]) -> list[dict[str, str]]:
    metrics: list[dict[str, str]] = json.loads(study.spec_json)["metric"]
    return metrics


def _runs(
    connection: sa.Connection, study_id: int, numbers: list[int]
) -> dict[int, tuple[int, str | None]]:
    """Return how many attempts each trial had, and the folder of its newest one that ran."""
    a = tables.attempts
    runs: dict[int, tuple[int, str | None]] = {}
    for start in range(0, len(numbers), 500):
        query = (
            sa.select(a.c.number, a.c.run_dir)
            .where(
                a.c.study_id == study_id,
                a.c.number.in_(numbers[start : start + 500]),
                a.c.claimed.is_not(None),
            )
            .order_by(a.c.number, a.c.no)
        )
        for number, run_dir in connection.execute(query):
            runs[number] = (runs.get(number, (0, None))[0] + 1, run_dir)
    return runs


def _trial(row: sa.Row[Any], attempts: int, run_dir: str | None) -> Document:
    return {
        "trial": row.number,
        "objective": row.objective,
        "state": row.state.upper(),
        "cause": row.cause,
        "params": json.loads(row.params_json),
        "metrics": json.loads(row.metrics_json) if row.metrics_json else {},
        "attempts": attempts,
        "started": iso(row.started),
        "finished": iso(row.finished),
        "duration_s": row.duration_s,
        "run_dir": run_dir,
    }


def _event(row: sa.Row[Any]) -> Document:
    return {
        "id": row.id,
        "time": iso(row.time),
        "trial": row.number,
        "attempt": row.attempt,
        "kind": row.kind,
        "text": row.text,
    }


def _worker(row: sa.Row[Any]) -> Document:
    return {
        "name": row.name,
        "host": row.host,
        "pid": row.pid,
        "device": row.device,
        "device_id": row.device_id,
        "state": "draining" if row.drain else row.state,
        "study": f"{row.project}/{row.study}" if row.project else None,
        "trial": row.number,
        "attempt": row.no,
        "last_seen": iso(row.last_seen),
        "image": row.image,
        "release": row.release,
    }


def _read_log(path: Path, offset: int, limit: int) -> Document:
    limit = min(max(limit, 0), LOG_BYTES)
    try:
        size = path.stat().st_size
        # After a rotation the log is shorter than what was read: begin again.
        start = min(offset, size) if offset >= 0 else max(0, size + offset)
        start = start if start >= offset or offset < 0 else 0
        with path.open("rb") as file:
            file.seek(start)
            data = file.read(limit)
    except FileNotFoundError:
        return {"text": "", "next_offset": 0, "size": 0}
    except OSError as exc:
        raise NotFoundError(f"the log cannot be read: {exc.strerror}") from exc
    return {"text": data.decode(errors="replace"), "next_offset": start + len(data), "size": size}
