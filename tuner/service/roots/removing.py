"""Removes the folders of a deleted study, and nothing outside of the roots."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tuner.documents.submission import Kept
from tuner.roots import Place, UnfitError, remove_folder
from tuner.service.roots.hands import Hands, StuckError
from tuner.service.roots.unfiled import reason_of

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Removal:
    """What became of a study's folders.

    Attributes:
        removed: their paths.
        kept: path and reason for each remaining folder, for people.
    """

    removed: list[str] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)


def remove_study(roots: Iterable[Path], project: str, study: str, hands: Hands) -> Removal:
    """Remove the folders of a study below some roots.

    What is in place of a folder but is not one, such as a link, is left alone: it may belong to
    anybody.

    Args:
        roots: log root and checkpoint root.
        study: the study's name within the project.
        hands: threads for the removal: if a root does not answer, the rest is removed when it does.
    """
    done = Removal()
    for root in roots:
        place = Place(root, f"{project}/{study}")
        path = str(place.path)
        try:
            call = partial(_remove, Place(root, project), study)
            if hands.do(path, f"the folder {path}", call):
                done.removed.append(path)
        except StuckError as exc:
            reason = "is still being removed" if exc.is_begun else "the file system does not answer"
            done.kept.append({"path": path, "reason": reason})
        except OSError as exc:
            done.kept.append({"path": path, "reason": reason_of(exc, root)})
    if done.kept:
        logger.warning("not removed", extra={"kept": done.kept})
    return done


def _remove(project: Place, study: str) -> bool:
    """Remove a folder; return whether it existed."""
    try:
        folder = project.open()
    except FileNotFoundError:
        return False
    with folder:
        if remove_folder(folder, study):
            return True
        kind = folder.kind_of(study)
        if kind is not None:
            raise UnfitError(str(folder.path / study), f"is {kind} and no folder; it is left alone")
    return False
