"""What KerasTuner keeps of a search in its project folder, as far as an oracle reads it again.

The truth is the service's: a file that another process is writing, or that is damaged, only leaves
out what it says.
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

#: The key in `oracle.json` that no other oracle writes.
KEY = "tuner_study"
#: Of a project file, bytes.
_MAX_BYTES = 64 << 20
_ENDED = (TrialStatus.COMPLETED, TrialStatus.FAILED)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Which study a project belongs to."""

    study: str
    #: When the study was created, as the service says it; None: it was not reached yet.
    created: str | None = None
    #: The hyperparameters that it was submitted with; None: it was not.
    given: list[Item] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the mark as JSON values."""
        return {"study": self.study, "created": self.created, "given": self.given}


def read_state(path: Path, study: str) -> tuple[Mapping[str, Any], Mark]:
    """Return the state in `oracle.json` and its mark; nothing where there is no such file.

    Raises:
        StudyError: the project is of another search, whose trials would be taken for this study's.
    """
    state = _read(path)
    if state is None:
        return {}, Mark(study=study)
    found = state.get(KEY)
    theirs = found.get("study") if isinstance(found, Mapping) else None
    if theirs != study or not isinstance(found, Mapping):
        whose = f"the study {theirs}" if theirs else "a search with another oracle"
        raise StudyError(
            f"{path.parent}: this project is of {whose}, not of {study}: give the Tuner another "
            f"project_name or directory, or overwrite=True to remove it (its trials can teach "
            f"the study: tuner history add {path.parent})"
        )
    given = found.get("given")
    return state, Mark(
        study=study,
        created=found.get("created") if isinstance(found.get("created"), str) else None,
        given=given if isinstance(given, list) else None,
    )


def read_trials(folder: Path) -> Iterator[Any]:
    """Yield the ended trials of a project; others are the service's to give out again."""
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
