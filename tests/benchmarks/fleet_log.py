"""What a simulated fleet has seen: every call, every attempt, and the server once a second."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from tests.benchmarks.machine import own_cpu_s, resident_mb

#: A claim is "claim" when it was answered with an attempt, and "empty" when with nothing.
CallKind = Literal["claim", "empty", "beat", "report", "finish"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request and its answer; times are seconds since the epoch."""

    kind: CallKind
    at: float
    took_s: float
    #: Trials of all studies that had finished by then.
    finished: int
    status: int
    attempt: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One attempt as its worker saw it; times are seconds since the epoch."""

    attempt: str
    study: str
    worker: int
    #: When the worker began to ask for work, was answered, and had handed in the result.
    asked: float
    claimed: float
    ended: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """The server process at one moment."""

    at: float
    finished: int
    cpu_s: float
    resident_mb: float
    #: Workers that run nothing.
    idle: int
    #: How late the fleet's own loop was: it makes every measured answer later by as much.
    lag_s: float
    #: Processor time of the fleet itself.
    fleet_cpu_s: float


@dataclass
class FleetLog:
    """All that was seen. Mutable: it grows."""

    workers: int = 0
    calls: list[Call] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def finished(self) -> int:
        """Return how many trials have finished."""
        return len(self.runs)

    def count_error(self, what: str) -> None:
        """Count a call that was not answered, or refused."""
        self.errors[what] = self.errors.get(what, 0) + 1

    def sample(self, server_pid: int, *, idle: int, lag_s: float) -> None:
        """Look at the server process."""
        self.samples.append(
            Sample(
                at=time.time(),
                finished=self.finished,
                cpu_s=own_cpu_s(server_pid),
                resident_mb=resident_mb(server_pid),
                idle=idle,
                lag_s=lag_s,
                fleet_cpu_s=time.process_time(),
            )
        )

    def took_ms(self, kinds: Iterable[CallKind], finished: range | None = None) -> list[float]:
        """Return how long calls took, milliseconds; only those made at so many finished trials."""
        wanted = set(kinds)
        return [
            1000 * call.took_s
            for call in self.calls
            if call.kind in wanted and (finished is None or call.finished in finished)
        ]

    def save(self, path: Path) -> None:
        """Write the log."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> FleetLog:
        """Read a log."""
        data = json.loads(path.read_text())
        return cls(
            workers=data["workers"],
            calls=[Call(**row) for row in data["calls"]],
            runs=[Run(**row) for row in data["runs"]],
            samples=[Sample(**row) for row in data["samples"]],
            errors=data["errors"],
        )
