"""Runs of a table that were stopped early: recognized by their last steps, the only evidence."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

#: Minimum factor between the steps of neighbouring rungs in successive halving.
_FACTOR = 1.9
#: Maximum number of rungs; runs that end by themselves do so anywhere.
_RUNGS = 6
#: Number of runs that may end at the same step by chance.
_CHANCE = 1


def stopped_at(ends: Sequence[int], *, is_known: bool) -> tuple[frozenset[int], int]:
    """Return the steps at which runs were stopped, and the number of steps of a complete one.

    Args:
        ends: the last step of each run, 0 if unknown.
        is_known: whether the table is from a search that stops runs. Otherwise the steps must look
            like it: several runs at each of a few steps, each a multiple of the previous one.
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
