"""What is to be launched: how many workers, with which settings and devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tuner.errors import SpecError

#: So many workers at once; nobody means more.
MAX_WORKERS = 1024


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Workers that are alike."""

    #: Of the launch; the names of its workers begin with it.
    name: str
    #: How many, 1 to 1024.
    workers: int
    #: `TUNER_*` of each; no secret is among them, only the name of the token's file.
    settings: Mapping[str, str]
    #: Python on the nodes that has Tuner's workers.
    python: str
    #: GPUs of each, 0 to 8.
    gpus: int = 0
    #: A worker leaves after so long without a trial, seconds; None: it stays.
    idle_s: float | None = None
    #: Variables of this shell that the workers get too: name and value.
    exports: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= MAX_WORKERS:
            raise SpecError(f"--workers {self.workers}: a number from 1 to {MAX_WORKERS}")

    def arguments(self) -> list[str]:
        """Return what follows `python -m workers run --name NAME`."""
        device = "gpu:visible" if self.gpus else "cpu"
        idle = [] if self.idle_s is None else ["--idle", f"{self.idle_s:g}"]
        return ["--device", device, *idle]
