"""Changes a study's state, with the reason: the only place that does so."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tuner.trials.ending.outcomes import set_outcome
from tuner.trials.states import StudyState, TrialState, state_text
from tuner.trials.store import studies
from tuner.trials.store.events import record_event
from tuner.trials.store.trials import Outcome, open_numbers
from tuner.trials.study import Study
from tuner.trials.timing import active_s

#: The reason with which a stopping study ends as cancelled.
CANCELLED = "cancelled by the user"
#: States in which no further trial starts by itself.
CLOSED = (StudyState.FINISHED, StudyState.FAILED, StudyState.CANCELLED)
_UNSTARTED = Outcome(
    state=TrialState.FAIL,
    cause="cancelled",
    error="the study stopped before this trial could run to its end",
    counted=False,
)


def set_state(
    connection: sa.Connection, study: Study, state: StudyState, reason: str, now: float
) -> None:
    """Move a study to `state`, update its running time and log the change."""
    values: dict[str, Any] = {"state": state, "reason": reason}
    if state is StudyState.RUNNING:
        values |= {"running_since": now, "finished": None}
        if study.started is None:
            values["started"] = now
    elif study.running_since is not None and state is not StudyState.STOPPING:
        values |= {"running_since": None, "active_s": active_s(study, now)}
    if state in CLOSED:
        values["finished"] = now
    studies.set_study(connection, study.id, **values)
    kind = "study-" + state.value
    record_event(connection, now, kind, state_text(state, reason), study_id=study.id)


def set_wait_reason(
    connection: sa.Connection, study: Study, reason: str, now: float, *, event: str | None
) -> None:
    """Record why a running study starts no trial at present; empty: nothing prevents it.

    Args:
        connection: a writing one.
        study: the study concerned.
        reason: shown in its status.
        now: the database's time.
        event: text for its events; empty: an event says that trials start again; None: no event.
    """
    is_said = studies.set_running_reason(connection, study.id, reason)
    if event is not None and is_said:
        text = f"no trial starts: {event}" if event else "trials start again"
        record_event(connection, now, "study-waiting", text, study_id=study.id)


def drop_unstarted(connection: sa.Connection, study_id: int, now: float) -> None:
    """End the trials of a stopping study that no worker is running.

    They never trained, or were waiting for a retry: FAIL, cause cancelled, not counted.
    """
    for number in open_numbers(connection, study_id, unleased=True):
        # A lost attempt may have delivered its result just now; that result stands.
        set_outcome(connection, study_id, number, _UNSTARTED, now, told="")
