"""Deleting a study's rows. Inside the caller's transaction, which holds the study."""

from __future__ import annotations

import logging
from typing import Any

import sqlalchemy as sa

from tuner.history.store.writing import look_again
from tuner.service.roots.unfiled import forget_study
from tuner.service.studies.code import drop_unused
from tuner.storage import optuna_rows, tables

logger = logging.getLogger(__name__)


def delete_study(connection: sa.Connection, study: sa.Row[Any]) -> None:
    """Delete a study's rows, here and in Optuna's tables, and snapshots that nobody needs then."""
    t = tables.trials
    codes = connection.execute(sa.select(t.c.code).where(t.c.study_id == study.id).distinct())
    unused = {study.code, *codes.scalars()} - {None}
    # Attempts first: whoever adds a report holds its attempt.
    mine = (tables.attempts, tables.reports, tables.trials, tables.events, tables.artifacts)
    for table in mine:
        connection.execute(table.delete().where(table.c.study_id == study.id))
    forget_study(connection, study.id)
    connection.execute(tables.studies.delete().where(tables.studies.c.id == study.id))
    name = f"{study.project}/{study.name}"
    if not optuna_rows.delete_study(connection, study.optuna_id, name):
        # Somebody else has deleted it there, and the number may be another study's by now.
        logger.warning("study was not in Optuna's tables", extra={"study": name})
    drop_unused(connection, sorted(unused))
    # Its files may stay: from now on they are runs like those of anybody else.
    look_again(connection)
