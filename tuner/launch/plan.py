"""What is to be launched: the number of workers, their settings and devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tuner.errors import SpecError

#: Maximum number of workers in one launch; more are surely a mistake.
MAX_WORKERS = 1024


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Several identical workers."""

    #: Name of the launch; the names of its workers begin with it.
    name: str
    #: Number of workers, 1 to 1024.
    workers: int
    #: `TUNER_*` of each; they contain no secret, only the path of the token's file.
    settings: Mapping[str, str]
    #: Path of the Python on the nodes in which Tuner's workers are installed.
    python: str
    #: GPUs of each, 0 to 8.
    gpus: int = 0
    #: Seconds without a trial after which a worker leaves; None: it stays.
    idle_s: float | None = None
    #: Variables of this shell passed on to the workers: name and value.
    exports: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= MAX_WORKERS:
            raise SpecError(f"--workers {self.workers}: a number from 1 to {MAX_WORKERS}")

    def arguments(self) -> list[str]:
        """Return what follows `python -m workers run --name NAME`."""
        device = "gpu:visible" if self.gpus else "cpu"
        idle = [] if self.idle_s is None else ["--idle", f"{self.idle_s:g}"]
        return ["--device", device, *idle]
