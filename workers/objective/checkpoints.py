"""Keras checkpoints of a trial: complete or absent, shared between its attempts.

The files are `epoch-00005.weights.h5`, for later attempts `epoch-00005-a2.weights.h5`: in a network
partition two attempts may be alive at the same time, and neither may touch the other's files. Next
to it, and written before it, `epoch-00005.curve.json` holds the curve up to that step: what a
killed worker had not reported yet is not lost, so the successor need not train it again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.roots import Folder, Place
from tuner.tfevents import read_json, write_json
from workers.objective.session import ReportedPoint

KEEP = 2
_WEIGHTS = ".weights.h5"
_CURVE = ".curve.json"
_NAME = re.compile(r"epoch-(\d{5,})(?:-a(\d+))?\.(?:weights\.h5|curve\.json)")


@dataclass(frozen=True, kw_only=True, order=True)
class Checkpoint:
    """One complete checkpoint; ordered by step, then by attempt."""

    step: int
    attempt_no: int
    #: File name of the weights, in the folder of the trial.
    name: str
    place: Place = field(compare=False)

    @property
    def path(self) -> Path:
        """The path of the weights, for Keras."""
        return self.place.path / self.name

    @property
    def curve_name(self) -> str:
        """The name of the file with the curve up to this step."""
        return self.name.removesuffix(_WEIGHTS) + _CURVE

    def points_after(self, step: int) -> list[ReportedPoint] | None:
        """Return the points of the curve after `step` up to this checkpoint; None with a gap.

        Raises:
            OSError: the curve exists but cannot be read.
        """
        if step >= self.step:
            return []
        found = _read_curve(self.place, self.curve_name)
        points = [point for point in found if step < point.step <= self.step]
        # Steps are epochs: a gap is a lost or damaged file.
        if [point.step for point in points] != list(range(step + 1, self.step + 1)):
            return None
        return points


class Checkpoints:
    """The checkpoints of one trial, written by one of its attempts.

    Args:
        place: shared by the trial's attempts; created at the first write.
        attempt_no: the attempt that writes.
    """

    def __init__(self, place: Place, attempt_no: int) -> None:
        self.place = place
        self.attempt_no = attempt_no

    def find(self) -> list[Checkpoint]:
        """Return the complete checkpoints of all attempts, oldest first.

        Raises:
            OSError: the folder exists but cannot be read.
        """
        try:
            with self.place.open() as folder:
                return self._found(folder)
        except FileNotFoundError:
            return []

    def newest(self, *, known: int) -> tuple[Checkpoint, list[ReportedPoint]] | None:
        """Return the newest checkpoint of an earlier attempt that leaves no gap in the curve.

        Args:
            known: the last step of the curve that the service knows; 0 for none.

        Returns:
            The checkpoint, and the points up to it that the service does not know.

        Raises:
            OSError: a curve exists but cannot be read.
        """
        for checkpoint in reversed(self.find()):
            if checkpoint.attempt_no >= self.attempt_no:
                continue
            points = checkpoint.points_after(known)
            if points is not None:
                return checkpoint, points
        return None

    def write(self, model: Any, step: int, curve: Sequence[ReportedPoint]) -> None:
        """Write the weights and the optimizer's state after `step`; remove outdated checkpoints.

        Args:
            step: number of finished epochs.
            curve: all points up to `step`.

        Raises:
            OSError: the checkpoint root is full or not writable; older checkpoints are unchanged.
        """
        suffix = f"-a{self.attempt_no}" if self.attempt_no > 1 else ""
        name = f"epoch-{step:05d}{suffix}"
        # Keras requires this suffix, so the temporary name differs at its start.
        temporary = f".{name}.{os.getpid()}-{os.urandom(4).hex()}.tmp{_WEIGHTS}"
        with self.place.open(make=True) as folder:
            try:
                # Keras accepts only a path. The name cannot be guessed.
                model.save_weights(self.place.path / temporary)
                with folder.open_file(temporary) as file:
                    os.fsync(file.fileno())
                write_json(
                    folder,
                    f"{name}{_CURVE}",
                    [[point.step, point.value, dict(point.metrics)] for point in curve],
                )
                folder.rename(temporary, f"{name}{_WEIGHTS}")
            finally:
                folder.remove(temporary)
            self._drop_old(folder)

    def _found(self, folder: Folder) -> list[Checkpoint]:
        return sorted(
            Checkpoint(step=step, attempt_no=attempt_no, name=name, place=self.place)
            for name, step, attempt_no in _files(folder)
            if name.endswith(_WEIGHTS)
        )

    def _drop_old(self, folder: Folder) -> None:
        found = self._found(folder)
        own = [checkpoint for checkpoint in found if checkpoint.attempt_no == self.attempt_no]
        older = [checkpoint for checkpoint in found if checkpoint.attempt_no < self.attempt_no]
        dropped = (older + own)[: -KEEP or None]
        for checkpoint in dropped:
            folder.remove(checkpoint.name)
            folder.remove(checkpoint.curve_name)
        # Curves without weights: this attempt could not write them, or was killed.
        kept = {checkpoint.curve_name for checkpoint in own if checkpoint not in dropped}
        for name, _, attempt_no in _files(folder):
            is_stray = name.endswith(_CURVE) and name not in kept
            if is_stray and attempt_no == self.attempt_no:
                folder.remove(name)


def _files(folder: Folder) -> list[tuple[str, int, int]]:
    """Return name, step and attempt of every regular file of a checkpoint."""
    names = [entry.name for entry in folder.entries() if entry.kind == "file"]
    matches = ((name, _NAME.fullmatch(name)) for name in names)
    return [(name, int(m[1]), int(m[2] or 1)) for name, m in matches if m is not None]


def _read_curve(place: Place, name: str) -> list[ReportedPoint]:
    """Return the points in a curve file; empty if it is missing or damaged."""
    content = read_json(place, name)
    try:
        return [
            ReportedPoint(
                step=int(step),
                value=float(value),
                metrics={name: float(v) for name, v in metrics.items() if v is not None},
            )
            for step, value, metrics in content  # type: ignore[attr-defined]
        ]
    except (TypeError, ValueError, AttributeError):
        return []
