"""Keras checkpoints of a trial: complete or absent, shared between its attempts.

`epoch-00005.weights.h5`, of later attempts `epoch-00005-a2.weights.h5`: two attempts may be alive
at the same time when a network parts, and neither may touch what the other one writes. Beside it,
and there before it, `epoch-00005.curve.json` holds the curve up to that step: what a killed worker
had not posted yet is not lost, so the successor need not train it again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.roots import Place
from tuner.tfevents import read_json, write_json
from workers.session import Point

KEEP = 2
_WEIGHTS = ".weights.h5"
_CURVE = ".curve.json"
_NAME = re.compile(r"epoch-(\d{5,})(?:-a(\d+))?\.(?:weights\.h5|curve\.json)")


@dataclass(frozen=True, kw_only=True, order=True)
class Checkpoint:
    """One complete checkpoint; the order is by step, then by attempt."""

    step: int
    attempt_no: int
    path: Path

    @property
    def curve_path(self) -> Path:
        """Where the curve up to this step is."""
        return self.path.with_name(self.path.name.removesuffix(_WEIGHTS) + _CURVE)

    def points_after(self, step: int) -> list[Point] | None:
        """Return the points of the curve from behind `step` to this checkpoint; None with a hole.

        Raises:
            OSError: the curve is there and cannot be read.
        """
        if step >= self.step:
            return []
        points = [point for point in _read_curve(self.curve_path) if step < point.step <= self.step]
        # Steps are epochs: a hole is a lost or damaged file.
        if [point.step for point in points] != list(range(step + 1, self.step + 1)):
            return None
        return points


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
        found = []
        for path, step, attempt_no in self._files():
            if path.name.endswith(_WEIGHTS):
                found.append(Checkpoint(step=step, attempt_no=attempt_no, path=path))
        return sorted(found)

    def newest(self, *, known: int) -> tuple[Checkpoint, list[Point]] | None:
        """Return the newest checkpoint of an earlier attempt that leaves no hole in the curve.

        Args:
            known: the last step of the curve that the service knows; 0 for none.

        Returns:
            The checkpoint, and the points up to it that the service does not know.

        Raises:
            OSError: a curve is there and cannot be read.
        """
        for checkpoint in reversed(self.find()):
            if checkpoint.attempt_no >= self.attempt_no:
                continue
            points = checkpoint.points_after(known)
            if points is not None:
                return checkpoint, points
        return None

    def write(self, model: Any, step: int, curve: Sequence[Point]) -> None:
        """Write the weights and the optimizer's state after `step`, and drop what is now too old.

        Args:
            model: of Keras.
            step: epochs finished.
            curve: all points up to `step`.

        Raises:
            OSError: the checkpoint root is full or not writable; older checkpoints are as they
            were.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        suffix = f"-a{self.attempt_no}" if self.attempt_no > 1 else ""
        name = f"epoch-{step:05d}{suffix}"
        # Keras insists on the ending, so the temporary name differs at its start.
        temporary = self.folder / f".{name}.{os.getpid()}.tmp{_WEIGHTS}"
        try:
            model.save_weights(temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            write_json(
                Place(self.folder),
                f"{name}{_CURVE}",
                [[point.step, point.value, dict(point.metrics)] for point in curve],
            )
            temporary.rename(self.folder / f"{name}{_WEIGHTS}")
        finally:
            temporary.unlink(missing_ok=True)
        self._drop_old()

    def _files(self) -> list[tuple[Path, int, int]]:
        """Return path, step and attempt of every file of a checkpoint."""
        if not self.folder.is_dir():
            return []
        matches = ((path, _NAME.fullmatch(path.name)) for path in self.folder.iterdir())
        return [(path, int(m[1]), int(m[2] or 1)) for path, m in matches if m is not None]

    def _drop_old(self) -> None:
        found = self.find()
        own = [checkpoint for checkpoint in found if checkpoint.attempt_no == self.attempt_no]
        older = [checkpoint for checkpoint in found if checkpoint.attempt_no < self.attempt_no]
        dropped = (older + own)[: -KEEP or None]
        for checkpoint in dropped:
            checkpoint.path.unlink(missing_ok=True)
            checkpoint.curve_path.unlink(missing_ok=True)
        # A curve whose weights never came: this attempt could not write them, or was killed.
        kept = {checkpoint.curve_path for checkpoint in own if checkpoint not in dropped}
        for path, _, attempt_no in self._files():
            is_stray = path.name.endswith(_CURVE) and path not in kept
            if is_stray and attempt_no == self.attempt_no:
                path.unlink(missing_ok=True)


def _read_curve(path: Path) -> list[Point]:
    """Return the points in a curve file; none when it is missing or damaged."""
    content = read_json(Place(path.parent), path.name)
    try:
        return [
            Point(
                step=int(step),
                value=float(value),
                metrics={name: float(v) for name, v in metrics.items() if v is not None},
            )
            for step, value, metrics in content  # type: ignore[attr-defined]
        ]
    except (TypeError, ValueError, AttributeError):
        return []
