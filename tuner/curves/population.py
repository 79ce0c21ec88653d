"""The trials of studies on the same data: peers that are there before the first trial.

Symbols: G cells of progress, L = `LEVELS` values kept of each cell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.curves.runs import CurveRun, stack
from tuner.surrogate.columns import Floats

#: So many values stand for the population of a cell.
LEVELS = 64
#: The population counts as so many peers.
PEERS = 50
#: That studies of one fingerprint and one metric have one population, before anything is seen.
LIKELY = math.log(0.95 / 0.05)
#: One trial changes the log odds of it by so much at most: against, and for.
_AGAINST, _FOR = 2.0, -1.0


@dataclass(frozen=True, eq=False)
class Population:
    """The best values so far of all its trials, by progress: (G, L), rising in L."""

    values: Floats

    def place(self, cell: int, value: float) -> float | None:
        """Return the quantile that a value would have there, in (0, 1); None: nobody was there."""
        row = self.values[cell]
        if not math.isfinite(row[0]):
            return None
        below = int(np.searchsorted(row, value, side="left"))
        upto = int(np.searchsorted(row, value, side="right"))
        return (below + 0.5 * (upto - below) + 0.5) / (LEVELS + 1.0)


def make_population(runs: Sequence[CurveRun]) -> Population:
    """Return the population of some trials, n of them, at least one."""
    best = np.sort(stack(runs).best, axis=0)
    # Of few trials some count twice, of many a fair choice is kept.
    rows = np.round(np.linspace(0, len(best) - 1, LEVELS)).astype(int)
    return Population(np.ascontiguousarray(best[rows].T))


def evidence(place: float) -> float:
    """Return how much one trial's place speaks against one population, as a log likelihood ratio.

    Under one population places are uniform; under another they have the density 4 u^3: they lie at
    the bad end. Values that are better than expected only make the judge careful, so they need not
    speak against it.
    """
    return float(np.clip(math.log(4.0) + 3.0 * math.log(place), _FOR, _AGAINST))


def same_chance(places: Sequence[float]) -> float:
    """Return the chance of one population after trials at these places, in their order."""
    log_odds = LIKELY
    for place in places:
        log_odds = min(log_odds - evidence(place), LIKELY)
    return 1.0 / (1.0 + math.exp(-log_odds))
