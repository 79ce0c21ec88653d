"""The trial as seen by its own process: what was reported, and what the service wants.

TrialStopped
├── TrialPruned      others do better at this step
├── TrialCancelled   the user or the time limit ends the trial
└── TrialPreempted   the worker must leave; another one continues from the checkpoint
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tuner.protocol import Found
from workers.objective.numbers import say_what_is_left_out

#: The orders from the parent process to the trial; "preempt" exists only between these two.
Word = Literal["continue", "prune", "cancel", "preempt"]


class TrialStopped(Exception):  # noqa: N818 - an order that was obeyed, not an error
    """The trial was told to end; let this pass, or clean up and raise it again."""


class TrialPruned(TrialStopped):
    """Others do better at this step: the trial's value is its last report."""


class TrialCancelled(TrialStopped):
    """The user or the time limit ends the trial."""


class TrialPreempted(TrialStopped):
    """The worker must leave: save what a successor can continue from, then let this pass."""


STOPS: dict[Word, type[TrialStopped]] = {
    "prune": TrialPruned,
    "cancel": TrialCancelled,
    "preempt": TrialPreempted,
}


@dataclass(frozen=True, kw_only=True)
class ReportedPoint:
    """One report: `step` epochs are finished, the metric's value is `value`."""

    step: int
    value: float
    metrics: Mapping[str, float] = field(default_factory=dict)


class Link(Protocol):
    """The connection to the service."""

    def report(self, point: ReportedPoint) -> None:
        """Send a point and wait briefly for the answer."""

    def found(self, found: Sequence[Found]) -> None:
        """Send parameters that may be new to the study."""

    def word(self) -> Word:
        """Return the service's latest order; never waits."""


class NoService:
    """The link of a trial that is run by hand: nothing receives reports or stops it."""

    def report(self, point: ReportedPoint) -> None:
        """Drop the point."""

    def found(self, found: Sequence[Found]) -> None:
        """Drop the parameters."""

    def word(self) -> Word:
        """Return "continue"."""
        return "continue"


class Session:
    """State of the running trial. Mutable, because reports and orders arrive while it runs.

    Args:
        metrics: name and goal of each metric of the study, in its order.
        attempt_no: from 1.
        curve: the predecessor's reports, in step order.
    """

    def __init__(
        self,
        *,
        link: Link,
        metrics: Sequence[Mapping[str, str]] = (),
        attempt_no: int = 1,
        curve: Sequence[ReportedPoint] = (),
    ) -> None:
        self.metrics = tuple(metrics)
        self.attempt_no = attempt_no
        self.curve = tuple(curve)
        self.last_step = 0
        #: The order that the objective was told; it decides the outcome, whatever is returned.
        self.obeyed: Word | None = None
        #: Why the trial has diverged (NaN), if it has.
        self.diverged: str | None = None
        self._link = link
        self._said_left_out = False

    def word(self) -> Word:
        """Return the service's latest order; never waits."""
        return self._link.word()

    def obey(self, word: Word) -> TrialStopped:
        """Record that the objective is told to stop, and return the exception for it."""
        self.obeyed = self.obeyed or word
        return STOPS[word](f"the trial was told to {word} after step {self.last_step}")

    def raise_if_stopped(self) -> None:
        """Raise the exception for a stop that the service wants, if any.

        Raises:
            TrialStopped: one of its three kinds.
        """
        word = self.obeyed or self.word()
        if word != "continue":
            raise self.obey(word)

    def tell_found(self, found: Sequence[Found]) -> None:
        """Send parameters of a hypermodel that may be new to the study."""
        self._link.found(found)

    def report(self, step: int, value: float, metrics: Mapping[str, float]) -> None:
        """Send one point.

        Raises:
            ValueError: the step does not come after the last one.
        """
        if step <= self.last_step:
            raise ValueError(
                f"report: step {step} does not come after step {self.last_step}; "
                "steps are whole numbers from 1 that only grow"
            )
        self.last_step = step
        if not self._said_left_out:
            self._said_left_out = say_what_is_left_out(metrics, f"the report of step {step}")
        self._link.report(ReportedPoint(step=step, value=value, metrics=metrics))
