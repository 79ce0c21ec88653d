"""Whether log root and checkpoint root can be written."""

from __future__ import annotations

import logging
import os
from functools import partial
from pathlib import Path
from typing import Literal

from tuner.roots import Folder
from tuner.service.roots.hands import Hands, StuckError
from tuner.service.roots.unfiled import Subject

logger = logging.getLogger(__name__)

RootName = Literal["log root", "checkpoint root"]

MIN_FREE_BYTES = 16 << 20
#: Larger than what a file system stores inside a directory entry, so that blocks are allocated.
_PROBE_BYTES = 65536


class Roots:
    """Checks both roots repeatedly. Not thread-safe, except for `problem`.

    Args:
        log_root, checkpoint_root: the paths, as the operator gave them.
        hands: threads for the checks, since a root may not answer.

    Attributes:
        problem: why one of them cannot be written at present, or None.
    """

    def __init__(self, log_root: Path, checkpoint_root: Path, hands: Hands) -> None:
        self._paths: dict[RootName, Path] = {
            "log root": log_root,
            "checkpoint root": checkpoint_root,
        }
        self._hands = hands
        self._found: dict[RootName, str | None] = {}
        self.problem: str | None = None

    def look(self) -> bool:
        """Check both; return whether the log root can be written.

        One that does not answer keeps its last known state: `hands` knows that it does not answer.
        """
        answers = [self._look_at(name) for name in self._paths]
        problem = next((found for found in self._found.values() if found), None)
        if problem != self.problem:
            logger.warning("storage", extra={"problem": problem or "gone"})
        self.problem = problem
        # A full checkpoint root is no reason not to file, which may free space (`trial.keep`).
        return answers[0] and self._found["log root"] is None

    def _look_at(self, name: RootName) -> bool:
        """Check one root; return whether it answers."""
        path = self._paths[name]
        subject = Subject(kind="root", study_id=0, key=name)
        if self._hands.is_stuck(subject):
            return False
        try:
            found = self._hands.do(subject, f"{name} {path}", partial(unwritable, name, path))
        except StuckError:
            return False
        self._found[name] = found
        return True


def unwritable(name: RootName, root: Path) -> str | None:
    """Return why nothing can be written to a root, or None.

    Writes a small file: the only test that also detects quotas and read-only mounts.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        with Folder.of_root(root) as folder:
            # Nobody else knows the name, so nothing can be in its place.
            probe = f".tuner-probe-{os.urandom(8).hex()}"
            with os.fdopen(folder.create(probe), "wb") as file:
                # Immediately: a process killed from here on leaves nothing behind.
                folder.remove(probe)
                file.write(bytes(_PROBE_BYTES))
            free = os.fstatvfs(folder.fileno())
    except OSError as exc:
        return f"{name} {root} cannot be written: {exc.strerror or exc}"
    if free.f_bavail * free.f_frsize < MIN_FREE_BYTES:
        # Without the exact number: this becomes the study's reason, which must not flicker.
        return f"{name} {root} is full: under {MIN_FREE_BYTES >> 20} MB are left"
    return None
