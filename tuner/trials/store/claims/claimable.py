"""Attempts that wait to be claimed, and leasing one."""

from __future__ import annotations

from collections import Counter

import sqlalchemy as sa

from tuner.protocol import LEASE_S
from tuner.security.identity import caller
from tuner.storage import tables
from tuner.trials.attempt import Attempt
from tuner.trials.states import AttemptState

_a = tables.attempts
_READY, _LEASED = AttemptState.READY.value, AttemptState.LEASED.value
_READY_OF_STUDY = (
    sa.select(_a)
    .where(
        _a.c.study_id == sa.bindparam("of_study"),
        _a.c.state == _READY,
        _a.c.not_before <= sa.bindparam("now", type_=sa.Float),
    )
    .order_by(_a.c.created, _a.c.number)
    .limit(sa.bindparam("most", type_=sa.Integer))
    .with_for_update(skip_locked=True)
)
_LEASE = (
    _a.update()
    .where(_a.c.id == sa.bindparam("attempt_id"), _a.c.state == _READY)
    .values(
        state=_LEASED,
        token=sa.bindparam("new_token"),
        bearer=sa.bindparam("new_bearer"),
        worker=sa.bindparam("new_worker"),
        host=sa.bindparam("new_host"),
        image_json=sa.bindparam("new_image"),
        claimed=sa.bindparam("now", type_=sa.Float),
        lease_until=sa.bindparam("until", type_=sa.Float),
    )
    .returning(_a)
)
_COUNT_LEASED_OF = sa.select(sa.func.count()).where(
    _a.c.study_id == sa.bindparam("of_study"), _a.c.state == _LEASED
)
_COUNT_LEASED = (
    sa.select(_a.c.study_id, sa.func.count()).where(_a.c.state == _LEASED).group_by(_a.c.study_id)
)


def ready_of(connection: sa.Connection, study_id: int, now: float, *, most: int) -> list[Attempt]:
    """Return claimable attempts of a study, locked, the one that was ready first at the front."""
    parameters = {"of_study": study_id, "now": now, "most": most}
    return [Attempt.of(row) for row in connection.execute(_READY_OF_STUDY, parameters)]


def lease(
    connection: sa.Connection,
    attempt_id: str,
    now: float,
    *,
    token: str,
    worker: str,
    host: str,
    image_json: str,
) -> Attempt | None:
    """Lease a ready attempt to a worker of the caller; None if it is no longer ready.

    Raises:
        sqlalchemy.exc.IntegrityError: another attempt was claimed with this token.
    """
    parameters = {
        "attempt_id": attempt_id,
        "new_token": token,
        "new_bearer": caller().token_id,
        "new_worker": worker,
        "new_host": host,
        "new_image": image_json,
        "now": now,
        "until": now + LEASE_S,
    }
    row = connection.execute(_LEASE, parameters).first()
    return None if row is None else Attempt.of(row)


def count_leased(connection: sa.Connection, study_id: int) -> int:
    """Return how many attempts of a study are being executed."""
    return int(connection.execute(_COUNT_LEASED_OF, {"of_study": study_id}).scalar_one())


def leased_attempts(connection: sa.Connection) -> Counter[int]:
    """Return the number of attempts that are being executed, by study id."""
    return Counter(dict(connection.execute(_COUNT_LEASED).all()))
