"""When the folder of a study's own is brought up to date: soon after what ends it, else rarely."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from tuner.storage import tables
from tuner.trials.study_states import OPEN

#: A study that goes on is filed once in so many seconds at most. TensorBoard keeps ten steps of a
#: text, and what reads the folder anew need not do so all the time.
EVERY_S = 60.0
#: Of the studies that ended before this server led, so many are looked at in a round.
_EARLIER = 20

_s, _t = tables.studies, tables.trials
#: What of a study's row is told in its folder, and is small.
_FACTS = (_s.c.id, _s.c.state, _s.c.told, _s.c.filed, _s.c.revision, _s.c.next_number, _s.c.reason)

#: What was last filed of a study, to be compared.
Version = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Due:
    """A study that is to be filed, and what is new of it then."""

    study_id: int
    version: Version


@dataclass(kw_only=True)
class _Filed:
    at: float
    version: Version
    state: str


@dataclass
class Schedule:
    """Knows when each study was last filed. Not for several threads.

    Args:
        clock: seconds that only grow.
    """

    clock: Callable[[], float] = time.monotonic
    _filed: dict[int, _Filed] = field(default_factory=dict)
    #: Ended before this server led, and not looked at; None: not known yet.
    _earlier: list[int] | None = None

    def due(self, connection: sa.Connection, news: Collection[int], *, last: bool) -> list[Due]:
        """Return the studies of which something new is to be filed now.

        Args:
            connection: to the database.
            news: studies that something else is to be said of than what their rows hold.
            last: whether this server files for the last time: then nothing waits.
        """
        wanted = sa.or_(
            _s.c.state.in_(OPEN),
            _s.c.told > _s.c.filed,
            _s.c.id.in_([*self._filed, *news]),
        )
        query: sa.Select[Any] = sa.select(*_FACTS).where(wanted).order_by(_s.c.id)
        rows = list(connection.execute(query))
        for gone in self._filed.keys() - {row.id for row in rows}:
            del self._filed[gone]
        rows = [row for row in rows if last or self._is_time(row, row.id in news)]
        counts = _counts(connection, [row.id for row in rows])
        found = []
        for row in rows:
            version = (row.state, row.told, *row[4:], counts.get(row.id))
            filed = self._filed.get(row.id)
            is_same = filed is not None and filed.version == version and row.told <= row.filed
            if filed is not None and is_same and row.id not in news:
                filed.at = self.clock()
            else:
                found.append(Due(study_id=row.id, version=version))
        return found

    def filed(self, due: Due, state: str) -> None:
        """Note that a study was filed; of one that has ended nothing more is expected."""
        if state in OPEN:
            self._filed[due.study_id] = _Filed(at=self.clock(), version=due.version, state=state)
        else:
            self._filed.pop(due.study_id, None)

    def earlier(self, connection: sa.Connection) -> list[int]:
        """Return some studies that ended before this server led, each of them once."""
        if self._earlier is None:
            query = sa.select(_s.c.id).where(_s.c.state.not_in(OPEN), _s.c.told <= _s.c.filed)
            self._earlier = list(connection.execute(query.order_by(_s.c.id)).scalars())
        # The newest first: they are looked at.
        return [self._earlier.pop() for _ in range(min(_EARLIER, len(self._earlier)))]

    def forget(self) -> None:
        """Know nothing any more: another server may have filed meanwhile."""
        self._filed.clear()
        self._earlier = None

    def _is_time(self, row: sa.Row[Any], is_news: bool) -> bool:
        filed = self._filed.get(row.id)
        if filed is None:
            return True
        if row.state in OPEN:
            return self.clock() - filed.at >= EVERY_S
        return is_news or row.state != filed.state or row.told > row.filed


def _counts(connection: sa.Connection, studies: list[int]) -> dict[int, Version]:
    """Return how many trials each study has in each state."""
    if not studies:
        return {}
    query = (
        sa.select(_t.c.study_id, _t.c.state, sa.func.count())
        .where(_t.c.study_id.in_(studies))
        .group_by(_t.c.study_id, _t.c.state)
        .order_by(_t.c.study_id, _t.c.state)
    )
    found: dict[int, Version] = {}
    for study_id, state, count in connection.execute(query):
        found[study_id] = (*found.get(study_id, ()), (state, count))
    return found
