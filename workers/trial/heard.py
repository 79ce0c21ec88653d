"""Validates what a trial's process tells its worker.

User code shares that process and may write into its channel: whatever comes out of here has the
form that the protocol requires, and fits into messages.
"""

from __future__ import annotations

import dataclasses
import math
import time
import typing
from dataclasses import dataclass, field
from typing import Any

from tuner.protocol import (
    Cause,
    Finish,
    Found,
    Outcome,
    Point,
    check_found,
    encode_number,
    fitting_metrics,
    fitting_modules,
)
from workers.failures.causes import last_lines
from workers.trial.channel import ChannelError

_OUTCOMES = typing.get_args(Outcome)
_CAUSES = typing.get_args(Cause)


@dataclass(frozen=True, kw_only=True)
class HeardPoint:
    """A report with all its metrics, of which fewer may be sent on."""

    step: int
    value: float
    metrics: dict[str, float]
    time: float

    def point(self) -> Point:
        """Return the part that is sent: finite metrics, as many as a message holds."""
        metrics = _fitting(self.metrics)
        return Point(step=self.step, value=encode_number(self.value), metrics=metrics)


@dataclass(frozen=True, kw_only=True)
class HeardEnd:
    """How the trial says that it ended."""

    outcome: Outcome
    cause: Cause | None = None
    error: str = ""
    values: list[float] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    modules: list[str] = field(default_factory=list)

    def counted(self, *, is_leaving: bool) -> HeardEnd:
        """Return how the end counts.

        A scheduler that ends a job (Slurm, systemd) sends SIGTERM to all its processes: a command,
        or a rank, that dies of it says nothing about the trial's configuration.

        Args:
            is_leaving: whether the worker was asked to leave meanwhile.
        """
        if is_leaving and self.outcome == "failed" and self.cause in ("error", "lost"):
            return dataclasses.replace(self, cause="preempted")
        return self

    def finish(self, token: str, **facts: Any) -> Finish:
        """Return the corresponding finish.

        Args:
            facts: what the worker knows about the attempt.
        """
        finish = Finish(
            token=token,
            outcome=self.outcome,
            values=[encode_number(value) for value in self.values],
            metrics=_fitting(self.metrics),
            cause=self.cause,
            error=self.error,
            modules=fitting_modules(self.modules),
        )
        return dataclasses.replace(finish, **facts)


@dataclass(frozen=True, kw_only=True)
class HeardFound:
    """Parameters of a hypermodel; each of them fits into a message."""

    found: list[Found]


def hear(message: dict[str, Any]) -> HeardPoint | HeardEnd | HeardFound:
    """Return the content of a message from the trial's process.

    Raises:
        ChannelError: it is not valid.
    """
    kind = message.get("kind")
    try:
        if kind == "point":
            return _point(message)
        if kind == "end":
            return _end(message)
        if kind == "found":
            return _found(message)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as exc:
        raise ChannelError(f"not a message: {kind} with {exc!r}"[:200]) from exc
    raise ChannelError(f"not a message: {str(kind)[:80]!r}")


def _point(message: dict[str, Any]) -> HeardPoint:
    step = message["step"]
    if not isinstance(step, int) or isinstance(step, bool):
        raise TypeError(f"step {step!r}")
    moment = _number(message["time"])
    return HeardPoint(
        step=step,
        value=_number(message["value"]),
        metrics=_metrics(message["metrics"]),
        time=moment if math.isfinite(moment) else time.time(),
    )


def _end(message: dict[str, Any]) -> HeardEnd:
    outcome, cause = message["outcome"], message.get("cause")
    if outcome not in _OUTCOMES or (cause is not None and cause not in _CAUSES):
        raise ValueError(f"outcome {outcome!r}, cause {cause!r}")
    if outcome == "failed" and cause is None:
        raise ValueError("a failure without a cause")
    return HeardEnd(
        outcome=outcome,
        cause=cause,
        error=last_lines(str(message.get("error", ""))),
        values=[_number(value) for value in message.get("values", [])],
        metrics=_metrics(message.get("metrics", {})),
        modules=[name for name in message.get("modules", []) if isinstance(name, str)],
    )


def _found(message: dict[str, Any]) -> HeardFound:
    found = [Found.from_json(item) for item in message["found"]]
    check_found(found)
    return HeardFound(found=found)


def _metrics(values: Any) -> dict[str, float]:
    return {str(name): _number(number) for name, number in values.items()}


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{str(value)[:40]!r} is not a number")
    return float(value)


def _fitting(metrics: dict[str, float]) -> dict[str, float]:
    return fitting_metrics({name: v for name, v in metrics.items() if math.isfinite(v)})
