"""The part of KerasTuner's project folder that an oracle reads again.

The service holds the truth: a file that is damaged, or that another process is writing, is simply
skipped.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus

from tuner.errors import StudyError
from tuner.keras.spaces import Item

logger = logging.getLogger(__name__)

#: A key in `oracle.json` that no other oracle writes.
KEY = "tuner_study"
#: Maximum size of a project file in bytes.
_MAX_BYTES = 64 << 20
_ENDED = (TrialStatus.COMPLETED, TrialStatus.FAILED)


@dataclass(frozen=True, kw_only=True)
class ProjectMark:
    """The study that a project belongs to."""

    study: str
    #: When the study was created, according to the service; None: it was not reached yet.
    created: str | None = None
    #: The hyperparameters that it was submitted with; None: it was not submitted yet.
    given: list[Item] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the mark as JSON values."""
        return {"study": self.study, "created": self.created, "given": self.given}


@dataclass(frozen=True, kw_only=True)
class ProjectFiles:
    """The content of a project."""

    mark: ProjectMark
    #: For `Oracle.set_state`; empty if there is none.
    state: Mapping[str, Any]
    #: The ended trials by id; the service will assign the others again.
    trials: dict[str, Any]


def read_project(path: Path, study: str) -> ProjectFiles:
    """Return what is stored about a search.

    Args:
        path: `oracle.json` in the project's folder.

    Raises:
        StudyError: the project belongs to another search, whose trials would be mistaken for this
            study's.
    """
    state = _read(path) or {}
    mark = _read_mark(path.parent, state, study) if state else ProjectMark(study=study)
    trials = {trial.trial_id: trial for trial in _read_trials(path.parent)}
    return ProjectFiles(mark=mark, state=state, trials=trials)


def _read_mark(folder: Path, state: Mapping[str, Any], study: str) -> ProjectMark:
    found = state.get(KEY)
    found = found if isinstance(found, Mapping) else {}
    theirs = found.get("study")
    if theirs != study:
        whose = f"the study {str(theirs)[:130]}" if theirs else "a search with another oracle"
        raise StudyError(
            f"{folder}: this project is of {whose}, not of {study}: give the Tuner another "
            f"project_name or directory, or overwrite=True to remove it (its trials can teach "
            f"the study: tuner history add {folder})"
        )
    given, created = found.get("given"), found.get("created")
    return ProjectMark(
        study=study,
        created=created if isinstance(created, str) else None,
        given=given if isinstance(given, list) else None,
    )


def _read_trials(folder: Path) -> Iterator[Any]:
    for path in sorted(folder.glob("trial_*/trial.json")):
        state = _read(path)
        if state is None or state.get("status") not in _ENDED:
            continue
        try:
            yield Trial.from_state(state)
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            logger.warning("%s: not read: %r", path, exc)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"larger than {_MAX_BYTES} bytes")
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        logger.warning("%s: not read: %s", path, exc)
        return None
    return document if isinstance(document, dict) else None
