"""The seeded schedule: which fault comes when, and how long it lasts."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.chaos.faults import FaultKind
from tests.chaos.stack import Kind


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One entry: the fault called `name` begins `gap_s` after the one before.

    `seed` decides everything that the fault itself leaves to chance.
    """

    name: str
    gap_s: float
    lasts_s: float
    seed: int


def applicable(catalogue: Mapping[str, FaultKind], kind: Kind) -> list[str]:
    """Return the names of the faults that exist on this database."""
    return [name for name, fault in catalogue.items() if kind in fault.kinds]


def plan(
    catalogue: Mapping[str, FaultKind], names: list[str], seed: int, every_s: float
) -> Iterator[Planned]:
    """Yield the schedule without end: every fault once in a random order, and again, and again.

    Args:
        catalogue: every kind by name.
        names: those to take.
        seed: the same gives the same schedule.
        every_s: mean time between two beginnings, seconds.
    """
    chance = random.Random(seed)
    for _ in itertools.count():
        deck = list(names)
        chance.shuffle(deck)
        # Stable: what takes many trials comes before the last of them, the rest stays shuffled.
        half = len(deck) // 2
        late = [name for name in deck[half:] if catalogue[name].takes_trials]
        deck = [name for name in deck if name not in late]
        for name in late:
            deck.insert(chance.randrange(half), name)
        for name in deck:
            yield Planned(
                name=name,
                gap_s=chance.uniform(0.4, 1.6) * every_s,
                lasts_s=chance.uniform(*catalogue[name].lasts),
                seed=chance.randrange(2**32),
            )
