"""Converts rows of the database to the documents that users see (`tuner.documents`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from tuner.documents.study import BestTrial, MetricGoal, StudyStatus, TrialCounts
from tuner.documents.trial import AttemptRow, EventRow, TrialRow
from tuner.integrity.raw import RawRow, raw_name, sound_study
from tuner.integrity.values import WORDS, require_sound
from tuner.service.answers.ranking import front
from tuner.service.answers.times import iso
from tuner.service.answers.trial_words import TRIAL_WORDS
from tuner.storage import tables
from tuner.trials.attempt import Attempt
from tuner.trials.faults import CANNOT_GO_ON, is_own, reason_of
from tuner.trials.specs import SpecOutline
from tuner.trials.store.listings.logbook import StudyEvent
from tuner.trials.store.listings.ranking import ranked
from tuner.trials.study import Study
from tuner.trials.timing import active_s
from tuner.trials.trial import Trial

STATES = ("waiting", "running", "complete", "pruned", "fail")
_STUDY_STATES = WORDS["tuner_studies", "state"]


def status_or_fault(connection: sa.Connection, row: RawRow, now: float) -> StudyStatus:
    """Return the state of a study; if it cannot be read, what is known, and its `fault`."""
    try:
        require_sound(tables.studies, row)
        return status_document(connection, sound_study(row), now)
    except Exception as exc:
        if not is_own(exc):
            raise
        name = raw_name(row)
        fault = reason_of(name, "reading it", exc)
        reason, state = str(row["reason"]), row["state"]
        is_told = reason.startswith(CANNOT_GO_ON)
        return {
            "study": name,
            "state": state if state in _STUDY_STATES else "paused",
            "reason": reason if is_told else fault,
            "counts": _counts({}),
            "best": None,
            "workers": 0,
            "budget": {
                "trials": None,
                "used": 0,
                "hours": None,
                "used_hours": 0.0,
                "target": None,
                "patience": None,
            },
            "metrics": [],
            "parallel": None,
            "created": _iso_or_none(row["created"]),
            "started": _iso_or_none(row["started"]),
            "finished": _iso_or_none(row["finished"]),
            "pruning": None,
            "unfiled": None,
            "fault": fault,
        }


def _iso_or_none(value: float | None) -> str | None:
    try:
        return iso(value)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def status_document(connection: sa.Connection, study: Study, now: float) -> StudyStatus:
    """Return the state of a study, without what only a request for this one study includes."""
    t, a = tables.trials, tables.attempts
    counts = dict.fromkeys(STATES, 0)
    used = 0
    query = (
        sa.select(t.c.state, t.c.counted, sa.func.count())
        .where(t.c.study_id == study.id)
        .group_by(t.c.state, t.c.counted)
    )
    for state, counted, count in connection.execute(query):
        counts[state] += count
        used += count if counted and state in ("complete", "pruned", "fail") else 0
    workers = connection.execute(
        sa.select(sa.func.count()).where(a.c.study_id == study.id, a.c.state == "leased")
    ).scalar_one()
    spec = SpecOutline.of(study.spec_json)
    budget = spec.budget
    return {
        "study": study.full_name,
        "state": study.state.value,
        "reason": study.reason,
        "counts": _counts(counts),
        "best": _best_of(connection, study),
        "workers": workers,
        "budget": {
            "trials": budget.get("trials"),
            "used": used,
            "hours": budget.get("hours"),
            "used_hours": round(active_s(study, now) / 3600, 4),
            "target": budget.get("target"),
            "patience": budget.get("patience"),
        },
        "metrics": metrics_of(study.spec_json),
        "parallel": spec.parallel,
        "created": iso(study.created),
        "started": iso(study.started),
        "finished": iso(study.finished),
        "pruning": None,
        "unfiled": None,
        "fault": None,
    }


def _counts(by_state: Mapping[str, int]) -> TrialCounts:
    return {
        "waiting": by_state.get("waiting", 0),
        "running": by_state.get("running", 0),
        "complete": by_state.get("complete", 0),
        "pruned": by_state.get("pruned", 0),
        "fail": by_state.get("fail", 0),
    }


def _best_of(connection: sa.Connection, study: Study) -> BestTrial | None:
    metrics = metrics_of(study.spec_json)
    if len(metrics) > 1:
        best = front(connection, study.id, [metric["goal"] for metric in metrics])
        if not best:
            return None
        return {"trial": best[0].number, "objective": None, "pareto": len(best)}
    first = ranked(connection, study.id, metrics[0]["goal"], 1)
    if not first:
        return None
    return {"trial": first[0].number, "objective": first[0].objective, "pareto": None}


def trial_documents(
    connection: sa.Connection, study_id: int, trials: Sequence[Trial]
) -> list[TrialRow]:
    """Return trials as rows of a list."""
    numbers = [trial.number for trial in trials]
    runs, steps = _runs(connection, study_id, numbers), _last_steps(connection, study_id, numbers)
    return [
        _trial(trial, *runs.get(trial.number, (0, None)), steps.get(trial.number))
        for trial in trials
    ]


def metrics_of(spec_json: str) -> list[MetricGoal]:
    """Return the name and goal of each metric of a stored spec."""
    metrics = SpecOutline.of(spec_json).metrics
    return [{"name": name, "goal": goal} for name, goal in metrics.items()]


def _runs(
    connection: sa.Connection, study_id: int, numbers: list[int]
) -> dict[int, tuple[int, str | None]]:
    """Return the number of attempts of each trial, and the folder of the newest one that ran."""
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


def _last_steps(connection: sa.Connection, study_id: int, numbers: list[int]) -> dict[int, int]:
    """Return the last step that each trial's newest attempt has reported."""
    r = tables.reports
    steps: dict[int, int] = {}
    for start in range(0, len(numbers), 500):
        query = (
            sa.select(r.c.number, sa.func.max(r.c.step))
            .where(r.c.study_id == study_id, r.c.number.in_(numbers[start : start + 500]))
            .group_by(r.c.number, r.c.no)
            .order_by(r.c.number, r.c.no)
        )
        # The newest attempt comes last.
        for number, step in connection.execute(query):
            steps[number] = step
    return steps


def _trial(trial: Trial, attempts: int, run_dir: str | None, last_step: int | None) -> TrialRow:
    return {
        "trial": trial.number,
        "objective": trial.objective,
        "state": TRIAL_WORDS[trial.state],
        "cause": trial.cause,
        "params": trial.params,
        "metrics": trial.metrics,
        "attempts": attempts,
        "started": iso(trial.started),
        "finished": iso(trial.finished),
        "duration_s": trial.duration_s,
        "run_dir": run_dir,
        "last_step": last_step,
    }


def event_document(event: StudyEvent) -> EventRow:
    """Return an event."""
    return {
        "id": event.id,
        "time": iso(event.time),
        "trial": event.number,
        "attempt": event.attempt,
        "kind": event.kind,
        "text": event.text,
        "actor": event.actor,
    }


def attempt_document(attempt: Attempt) -> AttemptRow:
    """Return one attempt as users see it."""
    facts = json.loads(attempt.image_json) if attempt.image_json else {}
    return {
        "attempt": attempt.no,
        "id": attempt.id,
        "state": attempt.state.value,
        "cause": attempt.cause,
        "error": attempt.error,
        "worker": attempt.worker,
        "host": attempt.host,
        "started": iso(attempt.claimed),
        "finished": iso(attempt.finished),
        "duration_s": attempt.duration_s,
        "exit_status": attempt.exit_status,
        "run_dir": attempt.run_dir,
        "image": facts.get("image"),
        "lock": facts.get("lock"),
        "files": facts.get("files"),
        "image_verified": facts.get("image_verified"),
    }
