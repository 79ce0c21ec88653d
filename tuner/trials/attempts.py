"""The life of an attempt: made, claimed, ended; and what its end means for the trial.

Every function runs inside the caller's transaction. Server and coordinator both come here, so that
an attempt ends in one way whether its worker says so or its lease runs out.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from tuner.protocol import Cause
from tuner.storage import tables
from tuner.trials.breaker import note_end
from tuner.trials.causes import POLICIES, delay_s, runs_again
from tuner.trials.events import record_event

ENDED = ("complete", "pruned", "fail")
#: States in which an attempt may still become its trial's outcome.
LIVE = ("ready", "leased")

# Built once: to build a statement costs more than to execute it. What the updates set are the other
# parameters that they are executed with.
UPDATE_ATTEMPT = tables.attempts.update().where(tables.attempts.c.id == sa.bindparam("of_id"))
UPDATE_TRIAL = tables.trials.update().where(
    tables.trials.c.study_id == sa.bindparam("of_study"),
    tables.trials.c.number == sa.bindparam("of_number"),
)
_LOCK_TRIAL = (
    sa.select(tables.trials)
    .where(
        tables.trials.c.study_id == sa.bindparam("of_study"),
        tables.trials.c.number == sa.bindparam("of_number"),
    )
    .with_for_update()
)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How an attempt ended, in the words of the database."""

    #: Of the trial, if this attempt decides it: complete, pruned or fail.
    state: str
    cause: Cause | None = None
    error: str = ""
    values: Sequence[float] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    duration_s: float | None = None
    exit_status: int | None = None
    digest: str | None = None
    #: The state the attempt itself takes.
    attempt_state: str = "done"


def insert_attempt(
    connection: sa.Connection,
    study: sa.Row[Any],
    number: int,
    no: int,
    now: float,
    *,
    excluded: Sequence[str] = (),
    not_before: float = 0.0,
) -> str:
    """Make the `no`-th attempt of a trial, ready to be claimed; return its id."""
    attempt = f"s{study.id}-t{number}-a{no}"
    row = {
        "id": attempt,
        "study_id": study.id,
        "number": number,
        "no": no,
        "state": "ready",
        "excluded_json": json.dumps(list(excluded)),
        "run_dir": run_dir(study.project, study.name, number, no, now),
        "created": now,
        "not_before": not_before,
    }
    connection.execute(tables.attempts.insert(), row)
    return attempt


def run_dir(project: str, study: str, number: int, no: int, now: float) -> str:
    """Return the attempt's folder relative to the log root: sorts by trial, never collides."""
    stamp = datetime.datetime.fromtimestamp(now, datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    suffix = f"-a{no}" if no > 1 else ""
    return f"{project}/{study}/trial_{number:05d}-{stamp}{suffix}"


def lock_trial(connection: sa.Connection, study_id: int, number: int) -> sa.Row[Any]:
    """Return the trial's row, held until the transaction ends."""
    return connection.execute(_LOCK_TRIAL, {"of_study": study_id, "of_number": number}).one()


def end_attempt(
    connection: sa.Connection,
    study: sa.Row[Any],
    attempt: sa.Row[Any],
    ending: Ending,
    now: float,
    *,
    retries: int,
) -> bool:
    """End an attempt whose trial has no outcome yet; return whether it became the outcome.

    A cause that calls for another attempt makes one in the same transaction. Otherwise the trial
    takes this ending as its outcome and every other live attempt of it is called off.
    """
    trial = lock_trial(connection, attempt.study_id, attempt.number)
    cause = ending.cause
    earlier = [] if cause is None else _earlier_causes(connection, attempt)
    is_outcome = not (
        cause is not None
        and study.state in ("running", "paused")
        and runs_again(cause, earlier, retries=retries)
    )
    _close(connection, attempt, ending, now)
    if is_outcome or cause is None:
        _set_outcome(connection, study, trial, attempt, ending, now)
    else:
        _retry(connection, study, attempt, cause, now, delay_s(cause, earlier))
    retry_of = json.loads(trial.proposal_json).get("retry_of") if cause is None else None
    note_end(connection, attempt, cause, now, retry_of=retry_of)
    return is_outcome


def call_off(
    connection: sa.Connection, study_id: int, number: int, now: float, *, keep: str | None = None
) -> None:
    """Revoke the ready attempts of a trial and cancel the leased ones, except `keep`."""
    a = tables.attempts
    mine = [a.c.study_id == study_id, a.c.number == number]
    if keep is not None:
        mine.append(a.c.id != keep)
    # One statement: nearly every trial ends with its only attempt, and there is nothing to do.
    ended = sa.case((a.c.state == "ready", "revoked"), else_="cancelled")
    connection.execute(
        a.update()
        .where(*mine, a.c.state.in_(LIVE))
        .values(state=ended, wanted="cancel", finished=now)
    )


def _earlier_causes(connection: sa.Connection, attempt: sa.Row[Any]) -> list[str | None]:
    a = tables.attempts
    query = sa.select(a.c.cause).where(
        a.c.study_id == attempt.study_id, a.c.number == attempt.number, a.c.no < attempt.no
    )
    return list(connection.execute(query.order_by(a.c.no)).scalars())


def _close(connection: sa.Connection, attempt: sa.Row[Any], ending: Ending, now: float) -> None:
    values = {
        "state": ending.attempt_state,
        "cause": ending.cause,
        "error": ending.error,
        "duration_s": ending.duration_s,
        "exit_status": ending.exit_status,
        "finish_digest": ending.digest,
        "finished": now,
    }
    connection.execute(UPDATE_ATTEMPT, {"of_id": attempt.id, **values})


def _retry(
    connection: sa.Connection,
    study: sa.Row[Any],
    attempt: sa.Row[Any],
    cause: Cause,
    now: float,
    wait_s: float,
) -> None:
    if _has_live_successor(connection, attempt):
        return
    excluded = json.loads(attempt.excluded_json)
    if POLICIES[cause].elsewhere and attempt.worker:
        excluded.append(attempt.worker)
    last = connection.execute(
        sa.select(sa.func.max(tables.attempts.c.no)).where(
            tables.attempts.c.study_id == attempt.study_id,
            tables.attempts.c.number == attempt.number,
        )
    ).scalar_one()
    successor = insert_attempt(
        connection,
        study,
        attempt.number,
        last + 1,
        now,
        excluded=excluded,
        not_before=now + wait_s if wait_s else 0.0,
    )
    connection.execute(
        tables.trials.update()
        .where(
            tables.trials.c.study_id == attempt.study_id,
            tables.trials.c.number == attempt.number,
        )
        .values(state="waiting")
    )
    record_event(
        connection,
        now,
        "attempt-" + cause,
        f"attempt {attempt.no} ended: {cause}; the trial runs again as attempt {last + 1}",
        study_id=study.id,
        number=attempt.number,
        attempt=successor,
    )


def _has_live_successor(connection: sa.Connection, attempt: sa.Row[Any]) -> bool:
    a = tables.attempts
    query = sa.select(a.c.id).where(
        a.c.study_id == attempt.study_id,
        a.c.number == attempt.number,
        a.c.id != attempt.id,
        a.c.state.in_(LIVE),
    )
    return connection.execute(query.limit(1)).first() is not None


def _set_outcome(
    connection: sa.Connection,
    study: sa.Row[Any],
    trial: sa.Row[Any],
    attempt: sa.Row[Any],
    ending: Ending,
    now: float,
) -> None:
    call_off(connection, attempt.study_id, attempt.number, now, keep=attempt.id)
    counted = ending.cause is None or POLICIES[ending.cause].counted
    values = {
        "state": ending.state,
        "objective": ending.values[0] if ending.values else None,
        "values_json": json.dumps(list(ending.values)),
        "metrics_json": json.dumps(ending.metrics),
        "cause": ending.cause,
        "error": ending.error,
        "counted": counted,
        "outcome_attempt": attempt.id,
        "finished": now,
        "duration_s": ending.duration_s,
    }
    at = {"of_study": trial.study_id, "of_number": trial.number}
    connection.execute(UPDATE_TRIAL, {**at, **values})
    said = f" ({ending.cause})" if ending.cause else ""
    value = f": {ending.values[0]:.6g}" if ending.values else ""
    record_event(
        connection,
        now,
        "trial-" + ending.state,
        f"trial {trial.number} ended {ending.state.upper()}{said}{value}",
        study_id=study.id,
        number=trial.number,
        attempt=attempt.id,
    )
