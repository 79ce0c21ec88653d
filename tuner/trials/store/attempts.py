"""The rows of attempts."""

from __future__ import annotations

import datetime
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.errors import FencedError, NotFoundError
from tuner.protocol import Cause
from tuner.security.identity import caller
from tuner.storage import tables
from tuner.trials.attempt import Attempt
from tuner.trials.faults import StudyFaultError
from tuner.trials.states import LIVE, AttemptState
from tuner.trials.store.columns import columns, in_states
from tuner.trials.study import Study

_a, _t, _s = tables.attempts, tables.trials, tables.studies
_READY, _LEASED = AttemptState.READY.value, AttemptState.LEASED.value
_INSERT = _a.insert()
_ID = _a.c.id == sa.bindparam("attempt_id")
_ONE = sa.select(_a).where(_ID)
_LOCK = _ONE.with_for_update()
# The values to set are passed as further parameters on execution.
_UPDATE = _a.update().where(_ID)
_DIGEST = sa.select(_a.c.finish_digest).where(_ID)
_BY_TOKEN = sa.select(_a).where(_a.c.token == sa.bindparam("claim_token"))
# Written like the partial index, so that the index is used.
_HELD = sa.select(_a).where(
    _a.c.worker == sa.bindparam("who"), sa.text("tuner_attempts.state = 'leased'")
)
_CLAIMED_OR_HELD = sa.union_all(_BY_TOKEN, _HELD)
_OF_TRIAL = (_a.c.study_id == sa.bindparam("of_study"), _a.c.number == sa.bindparam("of_number"))
_LOCK_ALL = sa.select(_a.c.id).where(*_OF_TRIAL).order_by(_a.c.no).with_for_update()
_LATER = (*_OF_TRIAL, _a.c.no > sa.bindparam("after_no"))
_LOCK_LATER = sa.select(_a.c.state).where(*_LATER).order_by(_a.c.no).with_for_update()
_EARLIER_CAUSES = (
    sa.select(_a.c.cause).where(*_OF_TRIAL, _a.c.no < sa.bindparam("before_no")).order_by(_a.c.no)
)
_LAST_NO = sa.select(sa.func.max(_a.c.no)).where(*_OF_TRIAL)
# One statement: nearly every trial ends with its only attempt, so there is usually nothing to do.
_CALL_OFF = (
    _a.update()
    .where(*_OF_TRIAL, in_states(_a.c.state, LIVE))
    .values(
        state=sa.case(
            (_a.c.state == _READY, AttemptState.REVOKED.value), else_=AttemptState.CANCELLED.value
        ),
        wanted="cancel",
        finished=sa.bindparam("now", type_=sa.Float),
    )
)


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedAttempt:
    """A failed attempt, and the study that it belongs to."""

    id: str
    study_id: int
    number: int
    cause: Cause | None
    error: str
    project: str
    name: str


def insert_attempt(
    connection: sa.Connection,
    study: Study,
    number: int,
    no: int,
    now: float,
    *,
    excluded: Sequence[str] = (),
    not_before: float = 0.0,
) -> str:
    """Create the `no`-th attempt of a trial, ready to be claimed; return its id."""
    attempt = f"s{study.id}-t{number}-a{no}"
    row = {
        "id": attempt,
        "study_id": study.id,
        "number": number,
        "no": no,
        "state": _READY,
        "excluded_json": json.dumps(list(excluded)),
        "run_dir": run_dir(study.project, study.name, number, no, now),
        "created": now,
        "not_before": not_before,
    }
    connection.execute(_INSERT, row)
    return attempt


def run_dir(project: str, study: str, number: int, no: int, now: float) -> str:
    """Return the attempt's folder relative to the log root: sorts by trial, always unique."""
    stamp = datetime.datetime.fromtimestamp(now, datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    suffix = f"-a{no}" if no > 1 else ""
    return f"{project}/{study}/trial_{number:05d}-{stamp}{suffix}"


def read_attempt(
    connection: sa.Connection, attempt_id: str, *, hold: bool = False
) -> Attempt | None:
    """Return an attempt; None if it does not exist (any more).

    Args:
        hold: lock it until the transaction ends.

    Raises:
        StudyFaultError: its state is unknown.
    """
    row = connection.execute(_LOCK if hold else _ONE, {"attempt_id": attempt_id}).first()
    return None if row is None else _attempt(row)


def lock_attempt(connection: sa.Connection, attempt_id: str, token: str) -> Attempt:
    """Return a worker's attempt, locked until the transaction ends.

    Raises:
        NotFoundError: there is no such attempt.
        FencedError: it was claimed with another token, either of the claim or of the API.
        StudyFaultError: its state is unknown.
    """
    row = connection.execute(_LOCK, {"attempt_id": attempt_id}).first()
    if row is None:
        raise NotFoundError(f"there is no attempt {attempt_id[:80]}")
    if row.token != token or not is_bearers(row.bearer):
        raise FencedError(f"attempt {attempt_id} belongs to another claim")
    return _attempt(row)


def is_bearers(bearer: int | None) -> bool:
    """Whether what was claimed with a token is the caller's, by this token or as an operator."""
    who = caller()
    return who.token_id == bearer or who.is_operator


def claimed_with(
    connection: sa.Connection, token: str, worker: str
) -> tuple[Attempt | None, list[Attempt]]:
    """Return the attempt that was claimed with a token, and those that are leased to the worker.

    Raises:
        StudyFaultError: a state is unknown.
    """
    rows = connection.execute(_CLAIMED_OR_HELD, {"claim_token": token, "who": worker}).all()
    mine = next((_attempt(row) for row in rows if row.token == token), None)
    held = [row for row in rows if row.state == _LEASED and row.worker == worker]
    # One row may be both.
    return mine, list({row.id: Attempt.of(row) for row in held}.values())


def held_by(connection: sa.Connection, worker: str) -> list[Attempt]:
    """Return the attempts that are leased to a worker."""
    return [Attempt.of(row) for row in connection.execute(_HELD, {"who": worker})]


def leased(connection: sa.Connection) -> list[Attempt]:
    """Return all attempts that are leased."""
    query = sa.select(_a).where(_a.c.state == _LEASED)
    return [Attempt.of(row) for row in connection.execute(query)]


def lock_attempts(connection: sa.Connection, study_id: int, number: int) -> list[str]:
    """Lock all attempts of a trial until the transaction ends; return their ids by number."""
    at = {"of_study": study_id, "of_number": number}
    return list(connection.execute(_LOCK_ALL, at).scalars())


def lock_later(connection: sa.Connection, attempt: Attempt) -> list[AttemptState]:
    """Lock the later attempts of an attempt's trial; return their states by number.

    Raises:
        ValueError: a state is unknown.
    """
    return list(map(AttemptState, connection.execute(_LOCK_LATER, _after(attempt)).scalars()))


def revoke_later(connection: sa.Connection, attempt: Attempt, now: float) -> None:
    """Revoke the later attempts of an attempt's trial that nobody has claimed."""
    revoked = {"state": AttemptState.REVOKED.value, "finished": now}
    update = _a.update().where(*_LATER, _a.c.state == _READY)
    connection.execute(update, {**_after(attempt), **revoked})


def set_attempt(connection: sa.Connection, attempt_id: str, **values: Any) -> None:
    """Set columns of an attempt."""
    connection.execute(_UPDATE, {"attempt_id": attempt_id, **columns(values)})


def delay_ready(connection: sa.Connection, study_id: int, number: int, not_before: float) -> None:
    """Keep the ready attempts of a trial from being claimed before a given time."""
    update = _a.update().where(*_OF_TRIAL, _a.c.state == _READY)
    at = {"of_study": study_id, "of_number": number}
    connection.execute(update, {**at, "not_before": not_before})


def call_off(connection: sa.Connection, study_id: int, number: int, now: float) -> None:
    """Revoke the ready attempts of a trial and cancel the leased ones."""
    connection.execute(_CALL_OFF, {"of_study": study_id, "of_number": number, "now": now})


def earlier_causes(connection: sa.Connection, attempt: Attempt) -> list[str | None]:
    """Return the causes of the earlier attempts of an attempt's trial, oldest first."""
    if attempt.no == 1:
        return []
    parameters = {**_trial(attempt), "before_no": attempt.no}
    return list(connection.execute(_EARLIER_CAUSES, parameters).scalars())


def last_no(connection: sa.Connection, study_id: int, number: int) -> int:
    """Return the number of attempts that a trial has had so far."""
    at = {"of_study": study_id, "of_number": number}
    return int(connection.execute(_LAST_NO, at).scalar_one() or 0)


def times_given_back(connection: sa.Connection, study_id: int, number: int) -> int:
    """Return how many attempts of a trial were revoked after a worker had claimed them."""
    query = sa.select(sa.func.count()).where(
        *_OF_TRIAL, _a.c.state == AttemptState.REVOKED.value, _a.c.worker.is_not(None)
    )
    return int(connection.execute(query, {"of_study": study_id, "of_number": number}).scalar_one())


def has_other_live(connection: sa.Connection, attempt: Attempt) -> bool:
    """Whether another attempt of the same trial may still become its outcome."""
    query = sa.select(_a.c.id).where(*_OF_TRIAL, _a.c.id != attempt.id, in_states(_a.c.state, LIVE))
    return connection.execute(query.limit(1), _trial(attempt)).first() is not None


def has_live_attempts(connection: sa.Connection, study_id: int) -> bool:
    """Whether a worker runs, or may still claim, an attempt of the study."""
    query = sa.select(_a.c.id).where(_a.c.study_id == study_id, in_states(_a.c.state, LIVE))
    return connection.execute(query.limit(1)).first() is not None


def is_finished(connection: sa.Connection, attempt_id: str) -> bool:
    """Whether an attempt has delivered its result."""
    return connection.execute(_DIGEST, {"attempt_id": attempt_id}).scalar_one_or_none() is not None


def failed_attempts(connection: sa.Connection, ids: Collection[str]) -> list[FailedAttempt]:
    """Return failed attempts, oldest first, without those of deleted studies."""
    query = (
        sa.select(
            _a.c.id, _a.c.study_id, _a.c.number, _a.c.cause, _a.c.error, _s.c.project, _s.c.name
        )
        .join(_s, _s.c.id == _a.c.study_id)
        .where(_a.c.id.in_(ids))
        .order_by(_a.c.finished)
    )
    return [FailedAttempt(**row._mapping) for row in connection.execute(query)]


def failed_elsewhere(
    connection: sa.Connection, done: Attempt, numbers: Collection[int], causes: Collection[Cause]
) -> list[Attempt]:
    """Return failed attempts at a configuration on workers that have not succeeded since.

    Args:
        done: a successful attempt at it on another worker.
        numbers: of the trials of its study with this configuration.
        causes: of failure to look for.
    """
    later = _a.alias()
    has_succeeded = (
        sa.select(later.c.id)
        .where(
            later.c.worker == _a.c.worker,
            later.c.state == AttemptState.DONE.value,
            later.c.finished > _a.c.finished,
        )
        .exists()
    )
    query = sa.select(_a).where(
        _a.c.study_id == done.study_id,
        _a.c.number.in_(numbers),
        _a.c.cause.in_(causes),
        _a.c.worker != done.worker,
        ~has_succeeded,
    )
    return [Attempt.of(row) for row in connection.execute(query).all()]


def may_fetch_code(connection: sa.Connection, bearer: int | None, digest: str) -> bool:
    """Whether an attempt that was claimed with an API token runs, or ran, a code snapshot."""
    query = (
        sa.select(sa.literal(1))
        .join_from(_a, _t, sa.and_(_t.c.study_id == _a.c.study_id, _t.c.number == _a.c.number))
        .where(
            _a.c.state.in_((_LEASED, AttemptState.LOST.value)),
            _a.c.bearer == bearer,
            _t.c.code == digest,
        )
        .limit(1)
    )
    return connection.execute(query).first() is not None


def _attempt(row: sa.Row[Any]) -> Attempt:
    try:
        return Attempt.of(row)
    except ValueError as exc:
        raise StudyFaultError(row.study_id, "looking at its attempts", row.id) from exc


def _trial(attempt: Attempt) -> Mapping[str, int]:
    return {"of_study": attempt.study_id, "of_number": attempt.number}


def _after(attempt: Attempt) -> Mapping[str, int]:
    return {**_trial(attempt), "after_no": attempt.no}
