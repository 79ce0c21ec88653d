"""The run of a study in a log root, written at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tuner.exporters import StudyWriter
from tuner.space import SearchSpace


def write_study(
    log_root: Path,
    study: str,
    space: SearchSpace,
    metrics: Sequence[Mapping[str, str]],
    objectives: Mapping[int, float | Sequence[float]],
) -> bool:
    """Bring the run of a study up to date once; nothing is written when it is.

    Args:
        log_root: see `StudyWriter`, as the next three.
        study: "project/study".
        space: parameters to declare.
        metrics: of the study.
        objectives: value(s) of the complete trials, by number.

    Returns:
        Whether something was written.

    Raises:
        OSError: the log root is full or cannot be used.
    """
    writer = StudyWriter(log_root, study, space, metrics, trials=len(objectives))
    try:
        for trial, objective in objectives.items():
            writer.add(trial, objective)
        return writer.write()
    finally:
        writer.close()
