"""Sets the outcome of a trial, which happens exactly once."""

from __future__ import annotations

import sqlalchemy as sa

from tuner.trials.store.attempts import call_off
from tuner.trials.store.events import record_event
from tuner.trials.store.trials import Outcome, decide_trial
from tuner.trials.trial import Trial


def set_outcome(
    connection: sa.Connection,
    study_id: int,
    number: int,
    outcome: Outcome,
    now: float,
    *,
    told: str | None = None,
) -> Trial | None:
    """Set a trial's outcome, and call off its attempts that may still be running.

    Args:
        study_id: of the trial's study.
        outcome: how it ended.
        now: the database's time.
        told: text of its event; empty: no event; None: the state and the value.

    Returns:
        The trial; None: it already had an outcome, which it keeps.
    """
    call_off(connection, study_id, number, now)
    trial = decide_trial(connection, study_id, number, outcome, now)
    if trial is None:
        return None
    text = _said(number, outcome) if told is None else told
    if text:
        record_event(
            connection,
            now,
            "trial-" + outcome.state.value,
            text,
            study_id=study_id,
            number=number,
            attempt=outcome.attempt,
        )
    return trial


def _said(number: int, outcome: Outcome) -> str:
    cause = f" ({outcome.cause})" if outcome.cause else ""
    value = f": {outcome.values[0]:.6g}" if outcome.values else ""
    return f"trial {number} ended {outcome.state.value.upper()}{cause}{value}"
