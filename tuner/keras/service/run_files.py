"""Files that a script's trial leaves in the log root: `config.json`, event file, `trial.json`.

What cannot be written here, as on a machine without the log root, the service writes at the end.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import logging
import math
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuner.protocol import Assignment, Finished, WorkerInfo
from tuner.roots import Place
from tuner.tfevents import RunWriter, session_hparams, write_json

logger = logging.getLogger(__name__)

#: Distributions whose versions are recorded, by their names in `config.json`.
_PACKAGES = {
    "keras": ("keras",),
    "keras_tuner": ("keras-tuner",),
    "numpy": ("numpy",),
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-rocm"),
    "jax": ("jax",),
    "torch": ("torch",),
}


class RunFiles:
    """The run directory of one attempt. Mutable: after an error it writes nothing more.

    Args:
        log_root: the service's log root, None if this process does not know it.
        assignment: determines the folder.
        worker: name of the executing process.
    """

    def __init__(self, log_root: Path | None, assignment: Assignment, worker: WorkerInfo) -> None:
        self._assignment, self._worker = assignment, worker
        self._began = time.time()
        self._writer: RunWriter | None = None
        if log_root is not None:
            with self._tolerating():
                self._writer = RunWriter(Place(log_root, assignment.run_dir))
        self._is_started = False

    def add_point(
        self, step: int, value: float, metrics: Mapping[str, float], params: Mapping[str, Any]
    ) -> None:
        """Write a point of each curve.

        Args:
            step: epochs finished.
            metrics: other metrics of this step.
            params: of the trial, including those that it has found: TensorBoard keeps only the
                first record of a run, which is written with the first point.
        """
        name = self._assignment.metrics[0]["name"]
        with self._tolerating():
            if (writer := self._start(params)) is not None:
                writer.scalars(step, {name: value, **metrics}, time.time())

    def finish(self, finished: Finished, params: Mapping[str, Any]) -> None:
        """Write the objective, the end record and `trial.json`."""
        record = finished.record
        objective = record.get("objective") if finished.is_outcome else None
        is_success = finished.is_outcome and record.get("outcome") in ("COMPLETE", "PRUNED")
        number = objective if isinstance(objective, int | float) else math.nan
        with self._tolerating():
            if (writer := self._start(params)) is not None:
                writer.finish(number, "success" if is_success else "failure")
                write_json(writer.place, "trial.json", record)
        self.close()

    def close(self) -> None:
        """Close the event file; idempotent."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _start(self, params: Mapping[str, Any]) -> RunWriter | None:
        writer = self._writer
        if writer is None or self._is_started:
            return writer
        config = {**self._config(), "params": dict(params)}
        write_json(writer.place, "config.json", config)
        writer.start(session_hparams(config), writer.place.name, self._began)
        self._is_started = True
        return writer

    def _config(self) -> dict[str, Any]:
        a = self._assignment
        return {
            **a.config,
            "attempt": a.attempt_no,
            "attempt_id": a.attempt,
            "run_dir": a.run_dir,
            "metrics": a.metrics,
            "host": self._worker.host,
            "worker": self._worker.name,
            "platform": platform.platform(),
            "command": [sys.executable, *sys.argv],
            "versions": {"python": platform.python_version(), **_versions()},
        }

    @contextlib.contextmanager
    def _tolerating(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as exc:
            logger.warning(
                "%s cannot be written (%s); the service writes it when the trial has ended",
                self._assignment.run_dir,
                exc,
            )
            self.close()


@functools.cache
def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name, distributions in _PACKAGES.items():
        for distribution in distributions:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                found[name] = importlib.metadata.version(distribution)
                break
    return found
