"""The words for where a study, a trial, an attempt and a worker stand.

They are plain `Enum`, whose members equal no text: a state that is misspelt, or compared with a
state of something else, is refused by the type checker. The database and JSON hold `value`.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class StudyState(Enum):
    """Where a study stands."""

    #: Trials are proposed.
    RUNNING = "running"
    #: None starts until it is resumed; what runs goes on.
    PAUSED = "paused"
    #: None starts any more; it ends when what runs has ended.
    STOPPING = "stopping"
    #: Its budget, target, patience or space has ended it. A larger budget lets it go on.
    FINISHED = "finished"
    #: It cannot go on.
    FAILED = "failed"
    #: The user has ended it.
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        """Whether the coordinator looks after it."""
        return self in OPEN


class TrialState(Enum):
    """Where a trial stands: Optuna's states."""

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
    """Where an attempt stands."""

    #: It may be claimed.
    READY = "ready"
    #: A worker executes it.
    LEASED = "leased"
    #: Its finish was accepted.
    DONE = "done"
    #: Its lease ran out; a late finish counts while the trial has no outcome.
    LOST = "lost"
    #: Its worker gave it back, or it could not run.
    FAILED = "failed"
    #: It was called off while a worker executed it.
    CANCELLED = "cancelled"
    #: It was called off before anybody claimed it.
    REVOKED = "revoked"

    @property
    def is_held(self) -> bool:
        """Whether a worker executes it, or may do so although its lease ran out."""
        return self in HELD

    @property
    def is_live(self) -> bool:
        """Whether it may still become its trial's outcome."""
        return self in LIVE


class WorkerState(Enum):
    """What a worker last said that it does, or what became of it."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    STOPPING = "stopping"
    #: What it ran was lost, and nothing was heard of it since.
    GONE = "gone"


OPEN: Final = (StudyState.RUNNING, StudyState.PAUSED, StudyState.STOPPING)
ENDED: Final = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
LIVE: Final = (AttemptState.READY, AttemptState.LEASED)
HELD: Final = (AttemptState.LEASED, AttemptState.LOST)


def state_text(state: StudyState, reason: str) -> str:
    """Return what the event of a study's new state says."""
    return f"study is {state.value}" + (f": {reason}" if reason else "")
