"""Which trials are the best."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tuner.service.answers.pareto import pareto_front
from tuner.storage import tables

MAX_ROWS = 10_000


def ranked(connection: sa.Connection, study_id: int, goal: str, n: int) -> list[sa.Row[Any]]:
    """Return the `n` best complete trials by the first metric; ties go to the lower number."""
    t = tables.trials
    order = t.c.objective.desc() if goal == "maximize" else t.c.objective.asc()
    query = (
        sa.select(t)
        .where(t.c.study_id == study_id, t.c.state == "complete", t.c.objective.is_not(None))
        .order_by(order, t.c.number)
        .limit(max(n, 0))
    )
    return list(connection.execute(query))


def front(connection: sa.Connection, study_id: int, goals: Sequence[str]) -> list[sa.Row[Any]]:
    """Return the complete trials that no other one dominates, in number order."""
    t = tables.trials
    query = (
        sa.select(t).where(t.c.study_id == study_id, t.c.state == "complete").order_by(t.c.number)
    )
    rows = list(connection.execute(query))
    values = [json.loads(trial.values_json) for trial in rows]
    return [rows[i] for i in pareto_front(values, goals)]


def in_state(
    connection: sa.Connection, study_id: int, state: str, goal: str | None
) -> list[sa.Row[Any]]:
    """Return the trials of one state: by objective where there is a goal, then by number."""
    t = tables.trials
    query = sa.select(t).where(t.c.study_id == study_id, t.c.state == state)
    if goal is not None:
        # NULL sorts differently in the two databases.
        order = t.c.objective.desc() if goal == "maximize" else t.c.objective.asc()
        query = query.order_by(t.c.objective.is_(None), order)
    return list(connection.execute(query.order_by(t.c.number).limit(MAX_ROWS)))
