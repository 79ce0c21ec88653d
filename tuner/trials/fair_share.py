"""Which study is next: the one furthest below its share; of several, the one that waited longest.

A study's share of the workers is 2 to the power of its priority. If there are fewer workers than
studies, shares are below one worker and several studies have none; these take turns by stride
scheduling (Waldspurger and Weihl 1995): each trial advances its study by the inverse of its share,
and the study that has advanced least is next.

The rule applies twice: to the study for which the next trial is proposed (`Turns`), and to the
study whose ready attempt a claim gets, where the attempt that has waited longest breaks ties.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Contender:
    """A study that may propose a trial.

    Args:
        priority: each step doubles its share.
    """

    study_id: int
    priority: float

    @property
    def share(self) -> float:
        """Its share relative to a study of priority 0."""
        return float(2.0**self.priority)


def turn_key(contender: Contender, held: int, waited: float) -> tuple[float, float, int]:
    """Return the sort key of a contender: the smallest key is next.

    Args:
        held: number of its trials that run or are ready.
        waited: how far it has advanced, or since when it waits: breaks ties between studies that
            are equally far below their shares.
    """
    return held / contender.share, waited, contender.study_id


class Turns:
    """Remembers how far each study has advanced. Mutable; not thread-safe.

    It is kept in memory only: after a restart all studies start equal.
    """

    def __init__(self) -> None:
        self._moved: dict[int, float] = {}

    def keep(self, study_ids: Iterable[int]) -> None:
        """Record which studies exist; a new one starts level with the one least advanced."""
        least = min(self._moved.values(), default=0.0)
        self._moved = {study: self._moved.get(study, least) for study in study_ids}

    def next(self, contenders: Iterable[Contender], held: Mapping[int, int]) -> int | None:
        """Return the study whose turn it is; None if there is no contender.

        Args:
            contenders: studies that may propose, among those passed to `keep`.
            held: number of trials that run or are ready, by study; a missing study has none.
        """
        found = min(
            contenders,
            key=lambda c: turn_key(c, held.get(c.study_id, 0), self._moved[c.study_id]),
            default=None,
        )
        return None if found is None else found.study_id

    def take(self, contender: Contender) -> None:
        """Record that a study got a trial."""
        self._moved[contender.study_id] += 1.0 / contender.share
