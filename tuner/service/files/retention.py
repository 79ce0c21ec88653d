"""Removes the checkpoints of trials that are not among the best (`trial.keep`)."""

from __future__ import annotations

import logging
import re
from collections.abc import Set
from pathlib import Path

import sqlalchemy as sa

from tuner.roots import Place, remove_folder
from tuner.service.answers.ranking import front
from tuner.spec import StudySpec
from tuner.trials.store.filing import ended_numbers
from tuner.trials.store.listings.ranking import ranked

logger = logging.getLogger(__name__)

#: The folder of one trial's checkpoints.
CHECKPOINTS = re.compile(r"trial_(\d{5,10})")


def spare_checkpoints(connection: sa.Connection, study_id: int, spec: StudySpec) -> frozenset[int]:
    """Return the ended trials that are not among the best `trial.keep`; none if it is not set.

    Running and waiting trials keep their checkpoints: a later attempt may continue from them. With
    several metrics the Pareto front counts, lower numbers first.
    """
    if spec.trial.keep is None:
        return frozenset()
    goals = [metric.goal for metric in spec.metrics]
    best = (
        front(connection, study_id, goals)[: spec.trial.keep]
        if len(goals) > 1
        else ranked(connection, study_id, goals[0], spec.trial.keep)
    )
    return ended_numbers(connection, study_id) - {trial.number for trial in best}


def remove_checkpoints(root: Path, study: str, spare: Set[int]) -> list[int]:
    """Remove the checkpoints of some trials of a study (`project/study`).

    Returns:
        The trials whose checkpoints were removed by this call.

    Raises:
        UnfitError: something else is in place of the study's folder.
        OSError: a folder cannot be removed; the others are.
    """
    removed = []
    problem: OSError | None = None
    try:
        folder = Place(root, study).open()
    except FileNotFoundError:
        return []
    with folder:
        matches = (CHECKPOINTS.fullmatch(entry.name) for entry in folder.entries())
        found = [match[0] for match in matches if match and int(match[1]) in spare]
        for name in found:
            try:
                if remove_folder(folder, name):
                    removed.append(int(name.removeprefix("trial_")))
            except OSError as exc:
                problem = exc
    if removed:
        logger.info("checkpoints removed", extra={"study": study, "trials": removed})
    if problem is not None:
        raise problem
    return removed
