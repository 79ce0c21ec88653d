"""What the causes of failure mean: the table of the design, as data.

`runs_again` alone decides whether a trial is run again.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tuner.protocol import Cause

#: Maximum seconds that a trial waits between two attempts.
LONGEST_DELAY_S = 60.0

#: Attribute of an Optuna trial that holds the cause of its failure.
CAUSE_ATTR = "tuner:cause"

Again = Literal["never", "retries", "once", "always"]
#: What caused a failure. Bad parameters would fail again in a similar study; a fault of the code
#: need not recur with another study's code.
Blame = Literal["parameters", "code", "machine", "user"]
#: Whether a failure counts against the worker, whatever happens to the trial afterwards ("always"),
#: or only if the same configuration completes elsewhere.
Doubt = Literal["never", "always", "if others can"]


@dataclass(frozen=True, kw_only=True)
class CausePolicy:
    """How one cause is treated."""

    #: Whether the trial is run again: within the study's `retries`, once, always (without using up
    #: a retry) or never.
    again: Again
    #: Whether the next attempt should preferably run on another worker.
    elsewhere: bool = False
    #: Whether the trial counts in the budget when it ends with this cause.
    counted: bool
    blame: Blame
    doubts_worker: Doubt = "never"
    #: Seconds that the next attempt waits; see `delay_s`.
    delay_s: float = 0.0

    @property
    def infeasible(self) -> bool:
        """Whether the sampler avoids the configuration: the study would run the same code again."""
        return self.blame in ("parameters", "code")


POLICIES: dict[Cause, CausePolicy] = {
    "lost": CausePolicy(
        again="retries", elsewhere=True, counted=False, blame="machine", doubts_worker="always"
    ),
    "preempted": CausePolicy(again="always", counted=False, blame="machine"),
    "rejected": CausePolicy(
        again="retries",
        elsewhere=True,
        counted=False,
        blame="machine",
        doubts_worker="always",
        delay_s=2.0,
    ),
    "storage": CausePolicy(
        again="always", elsewhere=True, counted=False, blame="machine", delay_s=10.0
    ),
    "oom": CausePolicy(
        again="once",
        elsewhere=True,
        counted=True,
        blame="parameters",
        doubts_worker="if others can",
    ),
    "timeout": CausePolicy(
        again="never", counted=True, blame="parameters", doubts_worker="if others can"
    ),
    "diverged": CausePolicy(again="never", counted=True, blame="parameters"),
    "error": CausePolicy(again="never", counted=True, blame="code"),
    "cancelled": CausePolicy(again="never", counted=True, blame="user"),
}


def policy_of(cause: str | None) -> CausePolicy | None:
    """Return how a cause is handled; None if the word is not one of our causes."""
    return next((policy for known, policy in POLICIES.items() if known == cause), None)


def is_infeasible(cause: str | None) -> bool:
    """Return whether a trial that ended with `cause` counts against its configuration."""
    policy = policy_of(cause)
    return policy is not None and policy.infeasible


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


def delay_s(cause: Cause, earlier: Sequence[str | None]) -> float:
    """Return how many seconds the next attempt waits after one that ended with `cause`.

    The delay doubles with every consecutive attempt that ended with this cause: a disk that stays
    full for a day must not leave ten thousand attempts behind.

    Args:
        cause: of the attempt that ended.
        earlier: the causes of the trial's earlier ended attempts, oldest first.
    """
    in_a_row = sum(1 for _ in itertools.takewhile(lambda other: other == cause, reversed(earlier)))
    return float(min(POLICIES[cause].delay_s * 2.0 ** min(in_a_row, 10), LONGEST_DELAY_S))
