"""Retries failed configurations, as new trials ahead of others."""

from __future__ import annotations

import json

import sqlalchemy as sa

from tuner.storage import tables
from tuner.trials.states import ENDED, StudyState, TrialState
from tuner.trials.store.columns import words
from tuner.trials.store.events import record_event
from tuner.trials.study import Study
from tuner.trials.study_states import set_state

#: States in which new trials let a study run again.
_GOES_ON = (StudyState.FINISHED, StudyState.PAUSED, StudyState.STOPPING)


def retry_failed(connection: sa.Connection, study: Study, now: float) -> list[int]:
    """Schedule the configurations of a study's failed trials again.

    What the user cancelled is left alone. Repeating the call adds nothing and gives the same
    answer, until the new trials have ended.

    Returns:
        Numbers of the failed trials whose configuration is being tried again.
    """
    t = tables.trials
    failed = connection.execute(
        sa.select(t.c.number)
        .where(
            t.c.study_id == study.id, t.c.state == TrialState.FAIL.value, t.c.cause != "cancelled"
        )
        .order_by(t.c.number)
    ).scalars()
    asked = set(study.retries_wanted)
    new = [number for number in failed if number not in asked]
    if new:
        _ask(connection, study, sorted(asked | set(new)), new, now)
        if study.state in _GOES_ON:
            set_state(connection, study, StudyState.RUNNING, "", now)
    return sorted({*new, *(asked - _ended_again(connection, study))})


def _ask(
    connection: sa.Connection, study: Study, asked: list[int], new: list[int], now: float
) -> None:
    s, t = tables.studies, tables.trials
    # The new trial counts instead of the failed one.
    connection.execute(
        t.update().where(t.c.study_id == study.id, t.c.number.in_(new)).values(counted=False)
    )
    # The revision increases from its current value: the transaction may already contain an edit.
    connection.execute(
        s.update()
        .where(s.c.id == study.id)
        .values(retry_json=json.dumps(asked), revision=s.c.revision + 1)
    )
    text = f"trials {', '.join(map(str, new))} are tried again as new trials"
    record_event(connection, now, "study-retry", text, study_id=study.id)


def _ended_again(connection: sa.Connection, study: Study) -> set[int]:
    """Return the trials whose configuration was retried by a trial that has ended."""
    t = tables.trials
    proposals = connection.execute(
        sa.select(t.c.proposal_json).where(
            t.c.study_id == study.id,
            t.c.state.in_(words(ENDED)),
            # Few are retries, and parsing JSON costs more than comparing text.
            t.c.proposal_json.contains('"retry_of": ', autoescape=True),
            ~t.c.proposal_json.contains('"retry_of": null', autoescape=True),
        )
    ).scalars()
    return {json.loads(text)["retry_of"] for text in proposals}
