"""The curve of a trial: the reports of its attempts, joined."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from tuner.storage import tables

# Built once: to build a statement costs more than to execute it.
_OF_STUDY = sa.select(tables.reports).where(tables.reports.c.study_id == sa.bindparam("of_study"))
_OF_ONE = _OF_STUDY.where(tables.reports.c.number == sa.bindparam("of_number"))
_OF_SOME = _OF_STUDY.where(tables.reports.c.number.in_(sa.bindparam("numbers", expanding=True)))


def stored_value(row: sa.Row[Any]) -> float:
    """Return the reported value, which may be NaN or infinite."""
    return float(row.special) if row.special else float(row.value)


def join_reports(rows: Iterable[sa.Row[Any]]) -> dict[int, sa.Row[Any]]:
    """Return one row per step, in step order.

    An attempt that continued from a checkpoint repeats no steps; one that started over replaces
    everything from its first step. So a later attempt takes precedence from its first step on.
    """
    joined: dict[int, sa.Row[Any]] = {}
    current = None
    for row in sorted(rows, key=lambda r: (r.no, r.step)):
        if row.no != current:
            current = row.no
            joined = {step: old for step, old in joined.items() if step < row.step}
        joined[row.step] = row
    return joined


def read_curves(
    connection: sa.Connection, study_id: int, numbers: Sequence[int] | None = None
) -> dict[int, dict[int, float]]:
    """Return the curves of a study's trials: value by step, by trial number."""
    if numbers is None:
        rows = connection.execute(_OF_STUDY, {"of_study": study_id})
    elif len(numbers) == 1:
        rows = connection.execute(_OF_ONE, {"of_study": study_id, "of_number": numbers[0]})
    else:
        rows = connection.execute(_OF_SOME, {"of_study": study_id, "numbers": numbers})
    by_trial: dict[int, list[sa.Row[Any]]] = {}
    for row in rows:
        by_trial.setdefault(row.number, []).append(row)
    return {
        number: {step: stored_value(row) for step, row in join_reports(rows).items()}
        for number, rows in by_trial.items()
    }
