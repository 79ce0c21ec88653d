"""What a cause of failure means: the table of the design, as data.

`attempts_left` is the one place that decides whether a trial is run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tuner.protocol import Cause

Again = Literal["never", "retries", "once", "always"]


@dataclass(frozen=True, kw_only=True)
class CausePolicy:
    """How one cause is treated."""

    #: Whether the trial is run again: within the study's `retries`, once, always (free) or never.
    again: Again
    #: Whether another worker is preferred for the next attempt.
    elsewhere: bool = False
    #: Whether the trial counts in the budget when it ends with this cause.
    counted: bool
    #: Whether the sampler is told that the configuration itself is infeasible.
    infeasible: bool = False
    #: How long the next attempt waits, seconds.
    delay_s: float = 0.0


POLICIES: dict[Cause, CausePolicy] = {
    "lost": CausePolicy(again="retries", elsewhere=True, counted=False),
    "preempted": CausePolicy(again="always", counted=False),
    "rejected": CausePolicy(again="retries", elsewhere=True, counted=False, delay_s=2.0),
    "storage": CausePolicy(again="always", counted=False, delay_s=10.0),
    "oom": CausePolicy(again="once", elsewhere=True, counted=True, infeasible=True),
    "timeout": CausePolicy(again="never", counted=True, infeasible=True),
    "diverged": CausePolicy(again="never", counted=True, infeasible=True),
    "error": CausePolicy(again="never", counted=True),
    "cancelled": CausePolicy(again="never", counted=True),
}


def runs_again(cause: Cause, earlier: Sequence[str | None], *, retries: int) -> bool:
    """Return whether a trial whose attempt just ended with `cause` gets another attempt.

    Args:
        cause: of the attempt that ended.
        earlier: the causes of the trial's earlier ended attempts.
        retries: the study's `trial.retries`, shared by all causes of kind "retries".
    """
    again = POLICIES[cause].again
    if again == "always":
        return True
    if again == "once":
        return cause not in earlier
    if again == "retries":
        used = sum(1 for c in earlier if c in POLICIES and POLICIES[c].again == "retries")
        return used < retries
    return False
