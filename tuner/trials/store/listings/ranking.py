"""The trials of a study ordered by objective."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tuner.storage import tables
from tuner.trials.states import TrialState
from tuner.trials.trial import Trial

MAX_ROWS = 10_000

_t = tables.trials


def ranked(connection: sa.Connection, study_id: int, goal: str, n: int) -> list[Trial]:
    """Return the `n` best complete trials by the first metric; ties go to the lower number."""
    query = (
        _in(study_id, TrialState.COMPLETE)
        .where(_t.c.objective.is_not(None))
        .order_by(_best_first(goal), _t.c.number)
        .limit(max(n, 0))
    )
    return list(map(Trial.of, connection.execute(query)))


def complete_trials(connection: sa.Connection, study_id: int) -> list[Trial]:
    """Return the complete trials in number order."""
    query = _in(study_id, TrialState.COMPLETE).order_by(_t.c.number)
    return list(map(Trial.of, connection.execute(query)))


def in_state(
    connection: sa.Connection, study_id: int, state: TrialState, goal: str | None
) -> list[Trial]:
    """Return the trials in one state: by objective if there is a goal, then by number."""
    query = _in(study_id, state)
    if goal is not None:
        # The two kinds of databases sort NULL differently.
        query = query.order_by(_t.c.objective.is_(None), _best_first(goal))
    rows = connection.execute(query.order_by(_t.c.number).limit(MAX_ROWS))
    return list(map(Trial.of, rows))


def _in(study_id: int, state: TrialState) -> sa.Select[Any]:
    return sa.select(_t).where(_t.c.study_id == study_id, _t.c.state == state.value)


def _best_first(goal: str) -> sa.UnaryExpression[Any]:
    return _t.c.objective.desc() if goal == "maximize" else _t.c.objective.asc()
