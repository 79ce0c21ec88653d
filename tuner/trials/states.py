"""The states of studies, trials, attempts and workers.

These are plain `Enum`s, whose members equal no string: a misspelt state, or a comparison with a
state of another kind, is an error to the type checker. The database and JSON hold `value`.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class StudyState(Enum):
    """State of a study."""

    #: Trials are proposed.
    RUNNING = "running"
    #: No trial starts until the study is resumed; running trials continue.
    PAUSED = "paused"
    #: No new trial starts; the study ends when the running trials have ended.
    STOPPING = "stopping"
    #: Ended by its budget, target, patience or exhausted space. A larger budget reopens it.
    FINISHED = "finished"
    #: The study cannot continue.
    FAILED = "failed"
    #: Ended by the user.
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        """Whether the coordinator manages the study."""
        return self in OPEN


class TrialState(Enum):
    """State of a trial: Optuna's states."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAIL = "fail"

    @property
    def is_ended(self) -> bool:
        """Whether it has an outcome."""
        return self in ENDED


class AttemptState(Enum):
    """State of an attempt."""

    #: It may be claimed.
    READY = "ready"
    #: A worker is executing it.
    LEASED = "leased"
    #: Its finish report was accepted.
    DONE = "done"
    #: Its lease expired; a late finish report counts as long as the trial has no outcome.
    LOST = "lost"
    #: Its worker gave it back, or it could not run.
    FAILED = "failed"
    #: It was called off while a worker was executing it.
    CANCELLED = "cancelled"
    #: It was called off before any worker claimed it.
    REVOKED = "revoked"

    @property
    def is_held(self) -> bool:
        """Whether a worker executes it, or may still execute it although its lease has expired."""
        return self in HELD

    @property
    def is_live(self) -> bool:
        """Whether it may still determine its trial's outcome."""
        return self in LIVE


class WorkerState(Enum):
    """What a worker last reported that it is doing, or what became of it."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    STOPPING = "stopping"
    #: The attempt it ran was lost, and the worker has not been heard of since.
    GONE = "gone"


OPEN: Final = (StudyState.RUNNING, StudyState.PAUSED, StudyState.STOPPING)
ENDED: Final = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
LIVE: Final = (AttemptState.READY, AttemptState.LEASED)
HELD: Final = (AttemptState.LEASED, AttemptState.LOST)


def state_text(state: StudyState, reason: str) -> str:
    """Return the text of the event for a study's new state."""
    return f"study is {state.value}" + (f": {reason}" if reason else "")
