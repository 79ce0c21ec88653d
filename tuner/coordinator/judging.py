"""Pruning decisions that the server which received the reports could not make.

Only the leading coordinator has the pruner's memory. Reports that another server received, or that
arrived while no coordinator led, are marked (`attempts.judged`), and the leader judges them in its
round: the decision reaches the worker with its next report or beat.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from tuner.coordinator.isolation import StudyIsolation
from tuner.coordinator.leadership import Leadership
from tuner.coordinator.studies.memory import Memory
from tuner.coordinator.studies.study_run import StudyRun
from tuner.proposals.in_memory_study import LEFT_BY_PRUNERS
from tuner.proposals.pruners.marks import HALVED, MARK, STOPPED
from tuner.proposals.pruners.wording import stop_text
from tuner.storage import Storage, optuna_rows
from tuner.storage.curves import read_curves
from tuner.trials.attempt import Attempt
from tuner.trials.states import AttemptState
from tuner.trials.store.attempts import read_attempt, set_attempt
from tuner.trials.store.events import record_event
from tuner.trials.store.trials import optuna_id_of
from tuner.trials.study import Study


def judge_waiting(
    storage: Storage,
    leadership: Leadership,
    memory: Memory,
    isolation: StudyIsolation,
    waiting: Mapping[str, int],
    studies: Mapping[int, Study],
) -> None:
    """Judge the attempts in `waiting` (id to study id) of loaded studies, each exactly once."""
    for attempt, study_id in waiting.items():
        run = memory.get(study_id)
        if run is not None and isolation.is_due(study_id):
            with isolation.step(studies[study_id], "judging its reports"):
                _judge(storage, leadership, run, attempt)


def save_marks(connection: sa.Connection, optuna_id: int, attrs: Mapping[str, Any]) -> None:
    """Store what the pruner left on a trial: otherwise a restart would change its decisions."""
    marks = {key: value for key, value in attrs.items() if key.startswith(LEFT_BY_PRUNERS)}
    if marks:
        optuna_rows.set_trial_attrs(connection, optuna_id, marks)


def tell_stop(
    connection: sa.Connection, now: float, attempt: Attempt, attrs: Mapping[str, Any]
) -> None:
    """Record why an attempt is stopped, if its pruner says why."""
    for key in (STOPPED, MARK, HALVED):
        if key not in attrs:
            continue
        record_event(
            connection,
            now,
            "trial-stopped",
            f"trial {attempt.number} is {stop_text(key, attrs[key])}",
            study_id=attempt.study_id,
            number=attempt.number,
            attempt=attempt.id,
        )
        return


def _judge(storage: Storage, leadership: Leadership, run: StudyRun, attempt_id: str) -> None:
    with storage.begin("judge") as connection:
        leadership.require(connection)
        # Locked while it is judged: a report that arrives meanwhile waits, and marks it again.
        attempt = read_attempt(connection, attempt_id, hold=True)
        if attempt is None or attempt.number >= len(run.in_memory):
            return
        changes: dict[str, Any] = {"judged": True}
        if attempt.state is AttemptState.LEASED and run.spec.pruner.name != "none":
            curve = read_curves(connection, attempt.study_id, [attempt.number])
            points = sorted(curve.get(attempt.number, {}).items())
            stops = run.judge(attempt.number, attempt.no, points)
            attrs = run.in_memory.trial_attrs(attempt.number)
            if stops and attempt.wanted == "continue":
                changes["wanted"] = "prune"
                tell_stop(connection, storage.now(connection), attempt, attrs)
            save_marks(connection, optuna_id_of(connection, attempt), attrs)
        set_attempt(connection, attempt.id, **changes)
