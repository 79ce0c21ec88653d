"""Finding the rows of studies and trials by the names that users give."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tuner.errors import NotFoundError
from tuner.storage import tables
from tuner.trials.store.studies import find_study_row as find_study
from tuner.trials.store.studies import visible

__all__ = ["find_study", "find_trial", "visible"]


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
