"""What a run of the fault suite is to do, and what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.stack import Kind

#: Needs the program `faketime`.
CLOCK = "clock of workers off by hours"


@dataclass(kw_only=True)
class ChaosPlan:
    """What a run is to do.

    Attributes:
        every_s: mean time between two faults.
        each_once: every fault comes once, and the trials last until then; else faults come as long
            as there are trials.
        without: faults that this machine cannot do.
        only: faults to take; all by default.
        log_mb, leader_lease_s: of the stack.
    """

    kind: Kind
    seed: int
    trials: int
    every_s: float
    each_once: bool = False
    without: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    log_mb: int = 64
    leader_lease_s: float = 1.2


@dataclass(kw_only=True)
class Outcome:
    """What came of a run."""

    violations: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    trials: int = 0
    attempts: int = 0
    leases_lost: int = 0
    refused: int = 0
    tuning_s: float = 0.0

    @property
    def trials_per_s(self) -> float:
        return self.trials / self.tuning_s


def summary(order: ChaosPlan, outcome: Outcome) -> str:
    """Return what a run came to, in lines."""
    faults = sorted(outcome.faults.items(), key=lambda item: (-item[1], item[0]))
    lines = [
        f"seed {order.seed} on {order.kind}",
        f"trials ended        {outcome.trials}",
        f"attempts            {outcome.attempts}",
        f"leases lost         {outcome.leases_lost}",
        f"results refused     {outcome.refused}",
        f"tuning              {outcome.tuning_s:.0f} s, {outcome.trials_per_s:.1f} trials/s",
        f"faults              {outcome.faults.total()}",
        *(f"  {count:5d}  {name}" for name, count in faults),
        *(f"  never  {name}" for name in outcome.missing),
        f"violations          {len(outcome.violations)}",
        *outcome.violations,
    ]
    return "\n".join(lines)
