"""When to update a study's own folder: soon after a change that ends it, otherwise rarely."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from tuner.trials.states import StudyState
from tuner.trials.store.filing import StudyNews, count_states, ended_and_filed, read_news

#: Minimum seconds between filings of a study that has not ended. TensorBoard keeps ten steps of a
#: text, and readers need not read the folder again all the time.
EVERY_S = 60.0
#: Maximum number, per round, of studies to check that ended before this server led.
_EARLIER = 20

#: What was last filed for a study, for comparison.
Version = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Due:
    """A study to file, and its content by then."""

    study_id: int
    version: Version


@dataclass(kw_only=True)
class _Filed:
    at: float
    version: Version
    state: str


@dataclass
class Schedule:
    """Knows when each study was last filed. Not thread-safe.

    Args:
        clock: a monotonic clock in seconds.
    """

    clock: Callable[[], float] = time.monotonic
    _filed: dict[int, _Filed] = field(default_factory=dict)
    #: Ids that ended before this server led and were not checked; None: not read yet.
    _earlier: list[int] | None = None

    def due(self, connection: sa.Connection, news: Collection[int], *, last: bool) -> list[Due]:
        """Return the studies with something new to file now.

        Args:
            news: studies with news beyond what their rows hold.
            last: whether this server files for the last time, so that nothing waits.
        """
        studies = read_news(connection, {*self._filed, *news})
        for gone in self._filed.keys() - {study.id for study in studies}:
            del self._filed[gone]
        studies = [study for study in studies if last or self._is_time(study, study.id in news)]
        counts = count_states(connection, [study.id for study in studies])
        found = []
        for study in studies:
            # `filed` changes with each filing and is not part of any file.
            version = (replace(study, filed=0), counts.get(study.id))
            filed = self._filed.get(study.id)
            is_same = filed is not None and filed.version == version and study.told <= study.filed
            if filed is not None and is_same and study.id not in news:
                filed.at = self.clock()
            else:
                found.append(Due(study_id=study.id, version=version))
        return found

    def filed(self, due: Due, state: StudyState) -> None:
        """Record that a study was filed; an ended one needs no more filing."""
        if state.is_open:
            self._filed[due.study_id] = _Filed(
                at=self.clock(), version=due.version, state=state.value
            )
        else:
            self._filed.pop(due.study_id, None)

    def earlier(self, connection: sa.Connection) -> list[int]:
        """Return some studies that ended before this server led, each once."""
        if self._earlier is None:
            self._earlier = ended_and_filed(connection)
        # Newest first: people look at those.
        return [self._earlier.pop() for _ in range(min(_EARLIER, len(self._earlier)))]

    def forget(self) -> None:
        """Reset everything: another server may have filed meanwhile."""
        self._filed.clear()
        self._earlier = None

    def _is_time(self, study: StudyNews, is_news: bool) -> bool:
        filed = self._filed.get(study.id)
        if filed is None:
            return True
        if study.is_open:
            return self.clock() - filed.at >= EVERY_S
        return is_news or study.state != filed.state or study.told > study.filed
