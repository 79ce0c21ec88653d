"""The input of a trial's process: its part of the assignment, and where to write."""

from __future__ import annotations

import dataclasses
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuner.protocol import Assignment, Device, Found, Reproducibility, decode_number
from tuner.roots import Place
from workers.backends.choice import BackendChoice
from workers.objective.session import ReportedPoint

#: Makes the process of a trial write its stack into its output.
SHOW_STACK = signal.SIGUSR2


@dataclass(frozen=True, kw_only=True)
class Task:
    """One attempt, as its own process sees it; plain JSON values, so that it can be sent."""

    objective: str
    params: dict[str, Any]
    seed: int
    trial: int
    attempt_no: int
    metrics: list[dict[str, str]]
    reproducibility: Reproducibility
    code_root: str | None
    log_root: str
    checkpoint_root: str
    #: Below log root and checkpoint root.
    run_dir: str
    checkpoint_dir: str
    #: Points of the predecessor: step, value, metrics.
    curve: list[tuple[int, float, dict[str, float]]] = field(default_factory=list)
    #: For a hypermodel: what the study knows (`Found` as JSON), and the function for its data.
    known: list[dict[str, Any]] = field(default_factory=list)
    loader: str | None = None
    #: `project/study`; empty for a run by hand.
    study: str = ""
    #: For a study that runs a command: its texts, as in the spec.
    command: list[str] = field(default_factory=list)
    #: Whether to import Keras first; a forked process has it already.
    preimport: bool = False
    #: The backend of Keras, as `BackendChoice`; None if none was chosen.
    backend: dict[str, Any] | None = None
    #: UUIDs of the GPUs that the trial owns; empty on the CPU.
    devices: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        assignment: Assignment,
        *,
        code_root: Path | None,
        log_root: Path,
        checkpoint_root: Path,
        preimport: bool,
        devices: list[str],
        backend: BackendChoice | None,
    ) -> Task:
        """Return the task for an assignment on this host."""
        return cls(
            objective=assignment.objective,
            study=assignment.study,
            params=assignment.params,
            seed=assignment.seed,
            trial=assignment.trial,
            attempt_no=assignment.attempt_no,
            metrics=assignment.metrics,
            reproducibility=assignment.reproducibility,
            code_root=None if code_root is None else str(code_root),
            log_root=str(log_root),
            checkpoint_root=str(checkpoint_root),
            run_dir=assignment.run_dir,
            checkpoint_dir=assignment.checkpoint_dir,
            curve=[(p.step, decode_number(p.value), p.metrics) for p in assignment.curve],
            known=[item.to_json() for item in assignment.known],
            loader=assignment.loader,
            command=list(assignment.command),
            preimport=preimport,
            devices=devices,
            backend=None if backend is None else backend.to_json(),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the task as JSON values."""
        return dataclasses.asdict(self)

    @property
    def choice(self) -> BackendChoice | None:
        """The chosen backend of Keras."""
        return None if self.backend is None else BackendChoice.from_json(self.backend)

    @property
    def kind(self) -> Device:
        """The kind of device that it computes on."""
        return "gpu" if self.devices else "cpu"

    @property
    def run(self) -> Place:
        """The folder of the attempt below the log root."""
        return Place(Path(self.log_root), self.run_dir)

    @property
    def checkpoints(self) -> Place:
        """The folder of the trial's checkpoints below the checkpoint root."""
        return Place(Path(self.checkpoint_root), self.checkpoint_dir)

    @property
    def found(self) -> list[Found]:
        """What the study knows about the hypermodel."""
        return [Found.from_json(item) for item in self.known]

    @property
    def points(self) -> list[ReportedPoint]:
        """The predecessor's curve."""
        return [ReportedPoint(step=step, value=value, metrics=m) for step, value, m in self.curve]
