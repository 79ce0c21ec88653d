"""How long a worker stays if nobody asks it to leave: for some attempts, or while there is work.

A worker for a single attempt is what a scheduler needs that creates a pod or a job for each
(docs/kubernetes.md). One that finds no attempt leaves as well, with status 0: another was faster.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass

#: Minimum seconds of idling: a waiting worker checks the time every five seconds.
LEAST_IDLE_S = 1.0
#: Maximum seconds, a month; a worker that should stay longer needs no limit.
MOST_IDLE_S = 30 * 86400.0
MOST_ATTEMPTS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class StintLimits:
    """The limits after which a worker leaves by itself; None: never.

    Attributes:
        attempts: number of attempts, however they ended.
        idle_s: seconds without an attempt, first counted from when it could have one.
    """

    attempts: int | None = None
    idle_s: float | None = None

    @property
    def is_any(self) -> bool:
        """Whether the worker leaves by itself at all."""
        return self.attempts is not None or self.idle_s is not None

    def options(self) -> list[str]:
        """Return the equivalent options of `python -m workers run`."""
        attempts = [] if self.attempts is None else [f"--attempts={self.attempts}"]
        return attempts + ([] if self.idle_s is None else [f"--idle={self.idle_s:g}"])


class Stint:
    """How much of its limits a worker has used. Mutable: it counts."""

    def __init__(self, limits: StintLimits) -> None:
        self._limits = limits
        self._attempts = 0
        self._idle_since = time.monotonic()

    def note_attempt(self) -> None:
        """Count an attempt that has just ended."""
        self._attempts += 1
        self._idle_since = time.monotonic()

    @property
    def over(self) -> str:
        """Why the worker must leave, for people; empty: it stays."""
        limits = self._limits
        if limits.attempts is not None and self._attempts >= limits.attempts:
            return f"{self._attempts} of {limits.attempts} attempts are done"
        if limits.idle_s is not None and time.monotonic() - self._idle_since >= limits.idle_s:
            return f"there was no attempt for {limits.idle_s:g} s"
        return ""


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the two options to a command."""
    parser.add_argument(
        "--attempts", type=_attempts, metavar="N", help="leave after this number of attempts"
    )
    parser.add_argument(
        "--idle", type=_idle, metavar="SECONDS", help="leave after this time without an attempt"
    )


def read_limits(arguments: argparse.Namespace) -> StintLimits:
    """Return the limits from the two options."""
    return StintLimits(attempts=arguments.attempts, idle_s=arguments.idle)


def _attempts(text: str) -> int:
    count = int(text)
    if not 1 <= count <= MOST_ATTEMPTS:
        raise argparse.ArgumentTypeError(f"{text}: a number of attempts from 1 to {MOST_ATTEMPTS}")
    return count


def _idle(text: str) -> float:
    seconds = float(text)
    if not (math.isfinite(seconds) and LEAST_IDLE_S <= seconds <= MOST_IDLE_S):
        raise argparse.ArgumentTypeError(
            f"{text}: seconds from {LEAST_IDLE_S:g} to {MOST_IDLE_S:g}"
        )
    return seconds
