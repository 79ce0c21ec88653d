"""Whose turn it is: the study furthest below its share, and of several the one that waited longest.

A study's share of the workers is 2 to the power of its priority. Where there are fewer workers than
studies, shares are below one worker and several studies are at zero; these take turns by stride
scheduling (Waldspurger and Weihl 1995): each trial moves its study on by the inverse of its share,
and the one that has moved least is next.

The rule holds twice: for the study that the next trial is proposed for (`Turns`), and for the one
whose ready attempt a claim gets, where the attempt that waits longest decides between equals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Contender:
    """A study that may propose.

    Args:
        priority: each step doubles its share.
    """

    study_id: int
    priority: float

    @property
    def share(self) -> float:
        """Its share, beside that of a study of priority 0."""
        return float(2.0**self.priority)


def turn_key(contender: Contender, held: int, waited: float) -> tuple[float, float, int]:
    """Return what decides whose turn it is: the contender with the least of these is next.

    Args:
        held: trials of it that run or are ready.
        waited: how far it has moved on, or since when it waits: decides between studies that are
            as far below their shares.
    """
    return held / contender.share, waited, contender.study_id


class Turns:
    """Remembers how far each study has moved on. Mutable; not for several threads.

    It is kept in memory only: after a restart all studies begin side by side.
    """

    def __init__(self) -> None:
        self._moved: dict[int, float] = {}

    def keep(self, study_ids: Iterable[int]) -> None:
        """Take in which studies there are; a new one begins beside the one that moved least."""
        least = min(self._moved.values(), default=0.0)
        self._moved = {study: self._moved.get(study, least) for study in study_ids}

    def next(self, contenders: Iterable[Contender], held: Mapping[int, int]) -> int | None:
        """Return the study whose turn it is, None where none contends.

        Args:
            contenders: studies that may propose, of those that `keep` was told.
            held: trials that run or are ready, by study; of a missing one none.
        """
        found = min(
            contenders,
            key=lambda c: turn_key(c, held.get(c.study_id, 0), self._moved[c.study_id]),
            default=None,
        )
        return None if found is None else found.study_id

    def take(self, contender: Contender) -> None:
        """Take in that a study got a trial."""
        self._moved[contender.study_id] += 1.0 / contender.share
