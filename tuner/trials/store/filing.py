"""Which studies and attempts must be written to the log root, and what of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.storage import tables
from tuner.trials.attempt import Attempt
from tuner.trials.states import ENDED, OPEN, AttemptState, TrialState
from tuner.trials.store.columns import in_states, words

_s, _t, _a = tables.studies, tables.trials, tables.attempts
_r, _u = tables.reports, tables.unfiled
_HANDED_IN = (AttemptState.DONE, AttemptState.FAILED)
_CALLED_OFF = (AttemptState.LOST, AttemptState.CANCELLED, AttemptState.REVOKED)
# Built once, because every run needs it: building a statement costs more than executing it.
_METRICS = sa.select(_r.c.step, _r.c.metrics_json).where(
    _r.c.study_id == sa.bindparam("of_study"),
    _r.c.number == sa.bindparam("of_number"),
    _r.c.no == sa.bindparam("of_no"),
    _r.c.metrics_json.is_not(None),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyNews:
    """The small part of a study's row that is written to its folder."""

    id: int
    #: The word for its state, unchecked: an invalid one concerns only that study.
    state: str
    told: int
    filed: int
    revision: int
    next_number: int
    reason: str

    @property
    def is_open(self) -> bool:
        """Whether the study has not ended."""
        return self.state in words(OPEN)


def read_news(connection: sa.Connection, also: Collection[int]) -> list[StudyNews]:
    """Return the studies that are open or have results not written yet, and some others.

    Args:
        also: ids of the others.
    """
    columns = (_s.c.id, _s.c.state, _s.c.told, _s.c.filed, _s.c.revision, _s.c.next_number)
    query: sa.Select[Any] = (
        sa.select(*columns, _s.c.reason)
        .where(sa.or_(in_states(_s.c.state, OPEN), _s.c.told > _s.c.filed, _s.c.id.in_(list(also))))
        .order_by(_s.c.id)
    )
    return [StudyNews(**row._mapping) for row in connection.execute(query)]


def ended_and_filed(connection: sa.Connection) -> list[int]:
    """Return the ids of ended studies whose results have all been written."""
    query = sa.select(_s.c.id).where(~in_states(_s.c.state, OPEN), _s.c.told <= _s.c.filed)
    return list(connection.execute(query.order_by(_s.c.id)).scalars())


def results_to_file(connection: sa.Connection) -> dict[int, int]:
    """Return the number of results, by id, of the studies that have results not written yet."""
    query = sa.select(_s.c.id, _s.c.told).where(_s.c.told > _s.c.filed)
    return dict(connection.execute(query.order_by(_s.c.id)).all())


def count_states(
    connection: sa.Connection, studies: Sequence[int]
) -> dict[int, tuple[tuple[str, int], ...]]:
    """Return each study's number of trials by state, by id; a study without trials is missing."""
    if not studies:
        return {}
    query = (
        sa.select(_t.c.study_id, _t.c.state, sa.func.count())
        .where(_t.c.study_id.in_(studies))
        .group_by(_t.c.study_id, _t.c.state)
        .order_by(_t.c.study_id, _t.c.state)
    )
    found: dict[int, tuple[tuple[str, int], ...]] = {}
    for study_id, state, count in connection.execute(query):
        found[study_id] = (*found.get(study_id, ()), (state, count))
    return found


def ended_numbers(connection: sa.Connection, study_id: int) -> frozenset[int]:
    """Return the numbers of a study's trials that have an outcome."""
    query = sa.select(_t.c.number).where(_t.c.study_id == study_id, in_states(_t.c.state, ENDED))
    return frozenset(connection.execute(query).scalars())


def values_since(
    connection: sa.Connection, study_id: int, told: int
) -> list[tuple[int, list[float]]]:
    """Return number and values of complete trials, by number.

    Args:
        told: results up to this one are left out.
    """
    query = (
        sa.select(_t.c.number, _t.c.values_json)
        .where(
            _t.c.study_id == study_id,
            _t.c.state == TrialState.COMPLETE.value,
            _t.c.told > told,
        )
        .order_by(_t.c.number)
    )
    return [
        (number, [float(value) for value in json.loads(values)])
        for number, values in connection.execute(query)
    ]


def attempts_to_file(
    connection: sa.Connection, *, ended_before: float, called_off_before: float, most: int
) -> list[Attempt]:
    """Return attempts whose folders are neither complete nor have failed to be, oldest first.

    Args:
        ended_before: latest time of the result's delivery, in seconds since the epoch.
        called_off_before: latest time of calling off, if the trial has an outcome.
        most: maximum number of attempts.
    """
    decided = sa.and_(in_states(_t.c.state, ENDED), _a.c.finished < called_off_before)
    failed = sa.exists().where(
        _u.c.kind == "run", _u.c.study_id == _a.c.study_id, _u.c.key == _a.c.id
    )
    query = (
        sa.select(_a)
        .join(_t, sa.and_(_t.c.study_id == _a.c.study_id, _t.c.number == _a.c.number))
        .where(
            _a.c.filed.is_(False),
            sa.or_(
                sa.and_(in_states(_a.c.state, _HANDED_IN), _a.c.finished < ended_before),
                sa.and_(in_states(_a.c.state, _CALLED_OFF), decided),
            ),
            ~failed,
        )
        .order_by(_a.c.finished)
        .limit(most)
    )
    return [Attempt.of(row) for row in connection.execute(query)]


def set_filed(connection: sa.Connection, attempts: Collection[str]) -> None:
    """Record that the folders of attempts are complete."""
    connection.execute(_a.update().where(_a.c.id.in_(attempts)).values(filed=True))
    connection.execute(_u.delete().where(_u.c.kind == "run", _u.c.key.in_(attempts)))


def metrics_by_step(connection: sa.Connection, attempt: Attempt) -> dict[int, dict[str, float]]:
    """Return the metrics that an attempt has reported in addition to its objective."""
    at = {"of_study": attempt.study_id, "of_number": attempt.number, "of_no": attempt.no}
    return {step: json.loads(metrics) for step, metrics in connection.execute(_METRICS, at)}
