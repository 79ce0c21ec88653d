"""What a round of the coordinator reads beside studies and workers, in one statement.

There are several rounds per trial, and a statement costs more than the few rows that it returns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.storage import tables
from tuner.trials.states import ENDED, OPEN, AttemptState
from tuner.trials.store.columns import in_states

_s, _t, _a = tables.studies, tables.trials, tables.attempts
_READY, _LEASED, _UNJUDGED, _UNTOLD = range(4)
_none = sa.null()


def _part(kind: int, *columns: Any) -> sa.Select[Any]:
    return sa.select(sa.literal_column(str(kind)), *columns)


# The part with values in all columns comes first: PostgreSQL takes the types from it.
_ALL = sa.union_all(
    _part(
        _READY, _a.c.study_id, _a.c.id, _a.c.no, _a.c.created, _a.c.not_before, _a.c.excluded_json
    ).where(_a.c.state == sa.literal_column(f"'{AttemptState.READY.value}'")),
    _part(_LEASED, _a.c.study_id, _none, sa.func.count(), _none, _none, _none)
    .where(_a.c.state == sa.literal_column(f"'{AttemptState.LEASED.value}'"))
    .group_by(_a.c.study_id),
    # Written like the partial index, so that the database uses it.
    _part(_UNJUDGED, _a.c.study_id, _a.c.id, _none, _none, _none, _none).where(
        sa.text("NOT tuner_attempts.judged")
    ),
    _part(_UNTOLD, _s.c.id, _none, _none, _none, _none, _none).where(
        in_states(_s.c.state, OPEN),
        sa.exists().where(
            _t.c.study_id == _s.c.id, _t.c.told.is_(None), in_states(_t.c.state, ENDED)
        ),
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadyAttempt:
    """The part of a waiting attempt that determines whether it is offered, and since when."""

    study_id: int
    no: int
    created: float
    not_before: float
    excluded_json: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundRows:
    """The attempts of all studies at one moment, and who has results to be told."""

    #: Attempts that wait to be claimed.
    ready: Sequence[ReadyAttempt]
    #: Number of attempts that are being executed, by study id.
    leased: Counter[int]
    #: Attempts with reports that no pruner has seen: their ids, and their studies' ids.
    unjudged: dict[str, int]
    #: Ids of open studies with ended trials not yet told to Optuna.
    untold: frozenset[int]


def read_round_rows(connection: sa.Connection) -> RoundRows:
    """Return what a round works on."""
    ready = []
    leased: Counter[int] = Counter()
    unjudged = {}
    untold = set()
    for kind, study_id, attempt, no, created, not_before, excluded in connection.execute(_ALL):
        if kind == _READY:
            ready.append(
                ReadyAttempt(
                    study_id=study_id,
                    no=no,
                    created=created,
                    not_before=not_before,
                    excluded_json=excluded,
                )
            )
        elif kind == _LEASED:
            leased[study_id] = no
        elif kind == _UNJUDGED:
            unjudged[attempt] = study_id
        else:
            untold.add(study_id)
    return RoundRows(ready=ready, leased=leased, unjudged=unjudged, untold=frozenset(untold))
