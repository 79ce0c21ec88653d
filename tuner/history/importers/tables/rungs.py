"""Runs of a table that were stopped on the way: by where they ended, which is all there is."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

#: Successive halving lets runs go on to so many times as many steps, at least.
_FACTOR = 1.9
#: And has so few rungs; runs that end by themselves do so anywhere.
_RUNGS = 6
#: Runs that end at one step by chance.
_CHANCE = 1


def stopped_at(ends: Sequence[int], *, is_known: bool) -> tuple[frozenset[int], int]:
    """Return at which steps runs were stopped, and how many steps a whole one has.

    Args:
        ends: the last step of each run, 0 where it is not known.
        is_known: whether the table is of a search that stops runs. Otherwise they must look like
            it: several at each of a few steps, each a multiple of the one before.
    """
    counts = Counter(end for end in ends if end > 0)
    if len(counts) < 2:
        return frozenset(), max(counts, default=0)
    steps = sorted(counts)
    *rungs, whole = steps
    if not is_known:
        is_halving = all(b >= _FACTOR * a for a, b in itertools.pairwise(steps))
        if not is_halving or len(rungs) > _RUNGS or min(counts[r] for r in rungs) <= _CHANCE:
            return frozenset(), whole
    return frozenset(rungs), whole
