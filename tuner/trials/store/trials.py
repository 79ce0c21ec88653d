"""The rows of trials."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.errors import NotFoundError
from tuner.protocol import Cause
from tuner.storage import tables
from tuner.trials.attempt import Attempt
from tuner.trials.states import ENDED, AttemptState, TrialState
from tuner.trials.store.columns import columns, in_states
from tuner.trials.study import Study
from tuner.trials.trial import Trial

_t, _a = tables.trials, tables.attempts
_AT = (_t.c.study_id == sa.bindparam("of_study"), _t.c.number == sa.bindparam("of_number"))
_ONE = sa.select(_t).where(*_AT)
_LOCK = _ONE.with_for_update()
# The values to set are passed as further parameters on execution.
_UPDATE = _t.update().where(*_AT)
_ALL = sa.select(_t).where(_t.c.study_id == sa.bindparam("of_study")).order_by(_t.c.number)
_ENDED: sa.Select[Any] = (
    sa.select(_t.c.number, _t.c.state, _t.c.objective, _t.c.duration_s, _t.c.params_json)
    .where(_t.c.study_id == sa.bindparam("of_study"), in_states(_t.c.state, ENDED))
    .order_by(_t.c.number)
)
#: States of a trial without an outcome.
_OPEN = (TrialState.WAITING, TrialState.RUNNING)
_DECIDE = _UPDATE.where(~in_states(_t.c.state, ENDED)).returning(_t)
_START = _UPDATE.values(
    state=TrialState.RUNNING.value,
    started=sa.func.coalesce(_t.c.started, sa.bindparam("now", type_=sa.Float)),
).returning(_t)

_INSERT = _t.insert()
_OPTUNA_ID = sa.select(_t.c.optuna_id).where(*_AT)
_UNTOLD = (_t.c.told.is_(None), in_states(_t.c.state, ENDED))
_UNTOLD_OF_STUDY = (
    sa.select(_t)
    .where(_t.c.study_id == sa.bindparam("of_study"), *_UNTOLD)
    .order_by(_t.c.finished, _t.c.number)
    .limit(sa.bindparam("most", type_=sa.Integer))
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a trial ended."""

    #: COMPLETE, PRUNED or FAIL.
    state: TrialState
    cause: Cause | None = None
    error: str = ""
    #: One per metric, or none; None: not reported by anybody.
    values: Sequence[float] | None = None
    #: What the objective returned; None: as for `values`.
    metrics: Mapping[str, float] | None = None
    #: Whether the trial counts towards the budget.
    counted: bool
    #: The attempt that decided; None: none did.
    attempt: str | None = None
    duration_s: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EndedTrial:
    """The result of a trial, and its duration."""

    number: int
    #: COMPLETE, PRUNED or FAIL.
    state: TrialState
    objective: float | None
    duration_s: float | None
    params_json: str


def ended_trials(connection: sa.Connection, study_id: int) -> list[EndedTrial]:
    """Return the trials of a study that have ended, in number order."""
    return [
        EndedTrial(
            number=number,
            state=TrialState(state),
            objective=objective,
            duration_s=duration_s,
            params_json=params_json,
        )
        for number, state, objective, duration_s, params_json in connection.execute(
            _ENDED, {"of_study": study_id}
        )
    ]


def trials_of(
    connection: sa.Connection,
    study_id: int,
    *,
    state: TrialState | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[Trial]:
    """Return trials of a study, in number order.

    Args:
        state: only trials in it; None: any.
        limit: maximum number returned; None: all.
        offset: number of trials skipped at the start.

    Raises:
        ValueError: one has an unknown state.
    """
    query = _ALL if state is None else _ALL.where(_t.c.state == state.value)
    if limit is not None:
        query = query.limit(limit).offset(max(offset, 0))
    return [Trial.of(row) for row in connection.execute(query, {"of_study": study_id})]


def find_trial(connection: sa.Connection, study: Study, number: int) -> Trial:
    """Return a trial.

    Raises:
        NotFoundError: the study has no such trial.
        ValueError: its state is unknown.
    """
    row = connection.execute(_ONE, {"of_study": study.id, "of_number": number}).first()
    if row is None:
        text = f"{study.full_name} has no trial {number}; it has {study.next_number} trials"
        raise NotFoundError(text)
    return Trial.of(row)


def trial_of(connection: sa.Connection, attempt: Attempt) -> Trial:
    """Return the trial that an attempt executes.

    Raises:
        NotFoundError: it was just deleted.
        ValueError: its state is unknown.
    """
    at = {"of_study": attempt.study_id, "of_number": attempt.number}
    row = connection.execute(_ONE, at).first()
    if row is None:
        raise NotFoundError(f"attempt {attempt.id} was deleted with its study")
    return Trial.of(row)


def optuna_id_of(connection: sa.Connection, attempt: Attempt) -> int:
    """Return the Optuna id of an attempt's trial.

    Raises:
        sqlalchemy.exc.NoResultFound: there is no such trial.
    """
    at = {"of_study": attempt.study_id, "of_number": attempt.number}
    return int(connection.execute(_OPTUNA_ID, at).scalar_one())


def untold_trials(connection: sa.Connection, study_id: int, *, most: int) -> list[Trial]:
    """Return ended trials not yet told to Optuna, in the order in which they ended.

    Raises:
        ValueError: a state is unknown.
    """
    parameters = {"of_study": study_id, "most": most}
    return [Trial.of(row) for row in connection.execute(_UNTOLD_OF_STUDY, parameters)]


def insert_trial(connection: sa.Connection, **values: Any) -> None:
    """Insert a trial."""
    connection.execute(_INSERT, columns(values))


def lock_trial(connection: sa.Connection, study_id: int, number: int) -> Trial:
    """Return a trial, locked until the transaction ends.

    Raises:
        sqlalchemy.exc.NoResultFound: there is none.
        ValueError: its state is unknown.
    """
    return Trial.of(connection.execute(_LOCK, {"of_study": study_id, "of_number": number}).one())


def open_numbers(connection: sa.Connection, study_id: int, *, unleased: bool = False) -> list[int]:
    """Return the numbers of a study's trials without an outcome.

    Args:
        unleased: only those that no worker is running.
    """
    query = sa.select(_t.c.number).where(_t.c.study_id == study_id, in_states(_t.c.state, _OPEN))
    if unleased:
        leased = sa.select(_a.c.number).where(
            _a.c.study_id == study_id, _a.c.state == AttemptState.LEASED.value
        )
        query = query.where(_t.c.number.not_in(leased))
    return list(connection.execute(query.order_by(_t.c.number)).scalars())


def set_trial(connection: sa.Connection, study_id: int, number: int, **values: Any) -> None:
    """Set columns of a trial."""
    at = {"of_study": study_id, "of_number": number}
    connection.execute(_UPDATE, {**at, **columns(values)})


def start_trial(connection: sa.Connection, attempt: Attempt, now: float) -> Trial | None:
    """Mark the trial of an attempt as running, from now on if it was not before; return it.

    None: it was just deleted.
    """
    at = {"of_study": attempt.study_id, "of_number": attempt.number}
    row = connection.execute(_START, {**at, "now": now}).first()
    return None if row is None else Trial.of(row)


def decide_trial(
    connection: sa.Connection, study_id: int, number: int, outcome: Outcome, now: float
) -> Trial | None:
    """Write the outcome of a trial that has none, and return the trial; None: it had one."""
    values = outcome.values
    row = {
        "of_study": study_id,
        "of_number": number,
        "state": outcome.state.value,
        "objective": values[0] if values else None,
        "values_json": None if values is None else json.dumps(list(values)),
        "metrics_json": None if outcome.metrics is None else json.dumps(dict(outcome.metrics)),
        "cause": outcome.cause,
        "error": outcome.error,
        "counted": outcome.counted,
        "outcome_attempt": outcome.attempt,
        "finished": now,
        "duration_s": outcome.duration_s,
    }
    decided = connection.execute(_DECIDE, row).first()
    return None if decided is None else Trial.of(decided)
