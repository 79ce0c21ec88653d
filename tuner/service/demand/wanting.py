"""How many workers one study could use at this moment, and why not more.

A trial is proposed only when a worker is idle, so the queue in the database says little about how
many workers could be used: with none at all, nothing waits. What could still be proposed counts
too. Priorities decide which studies get the existing workers, not how many are wanted.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from tuner.trials.states import StudyState

#: Maximum for a study that neither `budget.trials` nor `parallel` limits.
MOST_WANTED = 1024


@dataclass(frozen=True, kw_only=True)
class StudyDemand:
    """What determines how many workers a study could use."""

    #: RUNNING, PAUSED or STOPPING.
    state: StudyState
    #: Why it is paused.
    why: str = ""
    #: Number of attempts being executed.
    running: int = 0
    #: Number of attempts that may be claimed now.
    ready: int = 0
    #: When the earliest attempt that waits after a failure may be claimed; None: none waits.
    next_ready: float | None = None
    #: Number of trials that were proposed and have not ended.
    in_flight: int = 0
    #: Number of trials that `budget.trials` still allows to be proposed; None: no limit.
    remaining: int | None = None
    #: Maximum number of concurrent trials; None: no limit.
    parallel: int | None = None
    #: Number of configurations of a finite space that were not proposed, including forbidden ones;
    #: None: the space is infinite.
    untried: int | None = None
    #: Whether nothing of its search space is known: then one trial at a time explores it.
    is_seeking: bool = False
    #: Another limit of its budget that is reached, in words; empty: none is.
    limit: str = ""
    #: Why no trial of any study can start at present; empty: they can.
    obstacle: str = ""


@dataclass(frozen=True, kw_only=True)
class Want:
    """How many workers a study could use, by what they would do."""

    running: int = 0
    #: For attempts that wait to be claimed.
    queued: int = 0
    #: For trials that could be proposed immediately.
    fresh: int = 0
    #: Why this number and no more, in words.
    reason: str = ""

    @property
    def workers(self) -> int:
        """The number of workers."""
        return self.running + self.queued + self.fresh


def want_of(study: StudyDemand) -> Want:
    """Return how many workers a study could use now.

    The result is never more than the running attempts plus what budget and `parallel` allow, is 0
    if nothing runs and nothing could start, and never falls when the budget grows.
    """
    held = _held(study)
    if held:
        return Want(running=study.running, reason=_with_running(study.running, held))
    room = None if study.parallel is None else max(0, study.parallel - study.running)
    queued = study.ready if room is None else min(study.ready, room)
    fresh, bound = _fresh(study)
    want = Want(running=study.running, queued=queued, fresh=fresh)
    return Want(
        running=want.running, queued=queued, fresh=fresh, reason=_reason(study, want, bound)
    )


def counts_text(running: int, queued: int, fresh: int) -> str:
    """Return `3 run, 1 is ready, 4 more can be proposed`; empty if all are 0."""
    parts = []
    if running:
        parts.append("1 runs" if running == 1 else f"{running} run")
    if queued:
        parts.append("1 is ready" if queued == 1 else f"{queued} are ready")
    if fresh:
        parts.append(f"{fresh} {'more ' if parts else ''}can be proposed")
    return ", ".join(parts)


def _held(study: StudyDemand) -> str:
    """Return why the study starts nothing, whatever its budget; empty: it may."""
    if study.state is StudyState.PAUSED:
        return f"paused{f' ({study.why})' if study.why else ''}"
    if study.state is not StudyState.RUNNING:
        return f"{study.state.value}: it starts no further trial"
    return study.limit or study.obstacle


def _fresh(study: StudyDemand) -> tuple[int, str]:
    """Return how many trials could be proposed immediately, and which limit applies."""
    bounds = [(max(0, MOST_WANTED - study.in_flight), f"at most {MOST_WANTED}, it has no limit")]
    if study.untried is not None:
        bounds.append((max(0, study.untried), "its search space has no more"))
    if study.parallel is not None:
        bounds.append((max(0, study.parallel - study.in_flight), f"parallel: {study.parallel}"))
    if study.remaining is not None:
        bounds.append((max(0, study.remaining), "budget.trials"))
    if study.is_seeking:
        seeks = "one trial at a time finds the search space"
        bounds.append((0 if study.in_flight else 1, seeks))
    # If several limits are equal, the last one is the most informative.
    return min(reversed(bounds), key=lambda bound: bound[0])


def _reason(study: StudyDemand, want: Want, bound: str) -> str:
    text = counts_text(want.running, want.queued, want.fresh)
    if want.queued < study.ready:
        return _with_running(want.running, f"no more at once (parallel: {study.parallel})")
    if study.next_ready is not None and not want.queued:
        at = datetime.datetime.fromtimestamp(study.next_ready, datetime.UTC)
        waits = f"an attempt waits until {at:%H:%M:%S} UTC after a failure"
        text = f"{text}, {waits}" if text else waits
    if want.fresh:
        return f"{text} ({bound})"
    return (
        f"{text}; no more can be proposed ({bound})"
        if text
        else f"no trial can be proposed ({bound})"
    )


def _with_running(running: int, text: str) -> str:
    return f"{counts_text(running, 0, 0)}; {text}" if running else text
