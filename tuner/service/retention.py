"""Removing the checkpoints of trials that are not among the best (`trial.keep`)."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tuner.coordinator.attempts import ENDED
from tuner.service.ranking import front, ranked
from tuner.service.views import metrics_of
from tuner.spec import StudySpec
from tuner.storage import tables

logger = logging.getLogger(__name__)


def remove_checkpoints(
    connection: sa.Connection, root: Path, study: sa.Row[Any], spec: StudySpec
) -> list[int]:
    """Remove the checkpoints of ended trials that are not among the best `trial.keep`.

    Trials that run or wait keep theirs: a successor may continue from them. With several metrics
    the Pareto front counts, lower numbers first.

    Returns:
        The trials whose checkpoints were removed now.

    Raises:
        OSError: a folder cannot be removed.
    """
    if spec.trial.keep is None:
        return []
    metrics = metrics_of(study)
    best = (
        front(connection, study, metrics)[: spec.trial.keep]
        if len(metrics) > 1
        else ranked(connection, study, metrics[0]["goal"], spec.trial.keep)
    )
    kept = {trial.number for trial in best}
    t = tables.trials
    ended = connection.execute(
        sa.select(t.c.number).where(t.c.study_id == study.id, t.c.state.in_(ENDED))
    ).scalars()
    removed = []
    for number in ended:
        folder = root / study.project / study.name / f"trial_{number:05d}"
        if number not in kept and folder.is_dir():
            shutil.rmtree(folder)
            removed.append(number)
    if removed:
        logger.info("checkpoints removed", extra={"study": spec.name, "trials": removed})
    return removed
