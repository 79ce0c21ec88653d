"""Sets a study aside because of faulty rows, whatever they hold."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tuner.storage import tables
from tuner.trials.states import OPEN, StudyState, state_text
from tuner.trials.store.columns import words
from tuner.trials.store.events import record_event

_s = tables.studies


def set_aside(connection: sa.Connection, study_id: int, reason: str, now: float) -> bool:
    """Pause an open study because of faulty rows, whatever they hold; return whether it is open.

    Args:
        connection: a writing one.
        reason: see `tuner.trials.faults.reason_of`.
        now: the database's time.
    """
    columns = (_s.c.state, _s.c.reason, _s.c.running_since, _s.c.active_s)
    query: sa.Select[Any] = (
        sa.select(*columns).where(_s.c.id == study_id).with_for_update(key_share=True)
    )
    study = connection.execute(query).first()
    if study is None or study.state not in words(OPEN):
        return False
    if (study.state, study.reason) == (StudyState.PAUSED.value, reason):
        return True
    values: dict[str, Any] = {
        "state": StudyState.PAUSED.value,
        "reason": reason,
        "running_since": None,
    }
    ran = _ran_s(study, now)
    if ran is not None:
        values["active_s"] = ran
    connection.execute(_s.update().where(_s.c.id == study_id).values(**values))
    text = state_text(StudyState.PAUSED, reason)
    record_event(connection, now, "study-paused", text, study_id=study_id)
    return True


def _ran_s(study: sa.Row[Any], now: float) -> float | None:
    """Return how many seconds the study has run; None if its times are not numbers."""
    try:
        since = now if study.running_since is None else float(study.running_since)
        return float(study.active_s) + max(0.0, now - since)
    except (TypeError, ValueError):
        return None
