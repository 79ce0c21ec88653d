"""Deletes a study's rows, inside the caller's transaction, which has locked the study."""

from __future__ import annotations

import logging

import sqlalchemy as sa

from tuner.history.store.writing import look_again
from tuner.service.roots.unfiled import forget_study
from tuner.service.studies.code import drop_unused
from tuner.storage import optuna_rows, tables

logger = logging.getLogger(__name__)


def delete_study(connection: sa.Connection, name: str, study_id: int, optuna_id: int) -> None:
    """Delete a study's rows, here and in Optuna's tables, and snapshots that become unused.

    Args:
        name: `project/study`.
        study_id: the study's id; the rest of its row may be damaged.
        optuna_id: its id in Optuna's tables.
    """
    s, t = tables.studies, tables.trials
    codes = sa.union(
        sa.select(t.c.code).where(t.c.study_id == study_id),
        sa.select(s.c.code).where(s.c.id == study_id),
    )
    unused = set(connection.execute(codes).scalars()) - {None}
    # Attempts first: a transaction that adds a report locks its attempt.
    mine = (tables.attempts, tables.reports, tables.trials, tables.events, tables.artifacts)
    for table in mine:
        connection.execute(table.delete().where(table.c.study_id == study_id))
    forget_study(connection, study_id)
    connection.execute(s.delete().where(s.c.id == study_id))
    if not optuna_rows.delete_study(connection, optuna_id, name):
        # It was deleted there by something else, and the id may belong to another study by now.
        logger.warning("study was not in Optuna's tables", extra={"study": name})
    drop_unused(connection, sorted(unused))
    # Its files may stay: from now on they count as foreign runs.
    look_again(connection)
