"""Keras checkpoints of a trial: complete or absent, shared between its attempts.

`epoch-00005.weights.h5`, of later attempts `epoch-00005-a2.weights.h5`: two attempts may be alive
at the same time when a network parts, and neither may touch what the other one writes.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEEP = 2
_NAME = re.compile(r"epoch-(\d{5,})(?:-a(\d+))?\.weights\.h5")


@dataclass(frozen=True, kw_only=True, order=True)
class Checkpoint:
    """One complete checkpoint; the order is by step, then by attempt."""

    step: int
    attempt_no: int
    path: Path


class Checkpoints:
    """The checkpoints of one trial, written by one of its attempts.

    Args:
        folder: shared by the trial's attempts; made at the first write.
        attempt_no: the attempt that writes.
    """

    def __init__(self, folder: Path, attempt_no: int) -> None:
        self.folder = folder
        self.attempt_no = attempt_no

    def find(self) -> list[Checkpoint]:
        """Return the complete checkpoints of all attempts, oldest first."""
        if not self.folder.is_dir():
            return []
        found = []
        for path in self.folder.iterdir():
            if match := _NAME.fullmatch(path.name):
                found.append(
                    Checkpoint(step=int(match[1]), attempt_no=int(match[2] or 1), path=path)
                )
        return sorted(found)

    def newest(self, *, up_to: int | None) -> Checkpoint | None:
        """Return the newest checkpoint of an earlier attempt, not beyond step `up_to`."""
        usable = [
            checkpoint
            for checkpoint in self.find()
            if checkpoint.attempt_no < self.attempt_no
            and (up_to is None or checkpoint.step <= up_to)
        ]
        return usable[-1] if usable else None

    def write(self, model: Any, step: int) -> None:
        """Write the weights and the optimizer's state after `step`, and drop what is now too old.

        Raises:
            OSError: the checkpoint root is full or not writable; older checkpoints are as they
            were.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        suffix = f"-a{self.attempt_no}" if self.attempt_no > 1 else ""
        name = f"epoch-{step:05d}{suffix}"
        # Keras insists on the ending, so the temporary name differs at its start.
        temporary = self.folder / f".{name}.{os.getpid()}.tmp.weights.h5"
        try:
            model.save_weights(temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.rename(self.folder / f"{name}.weights.h5")
        finally:
            temporary.unlink(missing_ok=True)
        self._drop_old()

    def _drop_old(self) -> None:
        found = self.find()
        own = [checkpoint for checkpoint in found if checkpoint.attempt_no == self.attempt_no]
        older = [checkpoint for checkpoint in found if checkpoint.attempt_no < self.attempt_no]
        for checkpoint in (older + own)[: -KEEP or None]:
            checkpoint.path.unlink(missing_ok=True)
