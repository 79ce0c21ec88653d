"""The order in which rows are locked: a study, then its trial's attempts by number, then the trial.

On PostgreSQL two transactions that lock in different orders can wait for each other; the database
then ends one of them. SQLite has one writer at a time and needs none of this.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tuner.storage import tables

_s, _a = tables.studies, tables.attempts
# Built once: to build a statement costs more than to execute it, and every finish comes here.
# Shared with everything but the end of the study, so that it holds up nobody else.
_HOLD_STUDY = (
    sa.select(_s)
    .join(_a, _a.c.study_id == _s.c.id)
    .where(_a.c.id == sa.bindparam("attempt_id"))
    .with_for_update(of=_s, read=True, key_share=True)
)


def hold_study(connection: sa.Connection, attempt_id: str) -> sa.Row[Any] | None:
    """Return the study of an attempt, which cannot be deleted until the transaction ends.

    Whoever may insert an attempt calls it before it locks one: else a study could be deleted
    around the new row. None: there is no such attempt (any more).
    """
    return connection.execute(_HOLD_STUDY, {"attempt_id": attempt_id}).first()


def lock_attempts(connection: sa.Connection, study_id: int, number: int) -> list[str]:
    """Hold all attempts of a trial until the transaction ends; return their ids by number."""
    query = (
        sa.select(_a.c.id)
        .where(_a.c.study_id == study_id, _a.c.number == number)
        .order_by(_a.c.no)
        .with_for_update()
    )
    return list(connection.execute(query).scalars())
