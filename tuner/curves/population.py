"""The trials of earlier studies on the same data: peers that exist before the first trial.

Symbols: G cells of progress, L = `LEVELS` values kept per cell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.curves.runs import CurveRun, stack
from tuner.surrogate.columns import Floats

#: Number of values that represent the population in a cell.
LEVELS = 64
#: Number of peers that the population counts as.
PEERS = 50
#: Log odds, before any trial, that studies with the same fingerprint and metric share one
#: population.
LIKELY = math.log(0.95 / 0.05)
#: Maximum change of these log odds by a single trial: against, and in favor.
_AGAINST, _FOR = 2.0, -1.0


@dataclass(frozen=True, eq=False)
class Population:
    """The best values so far of all its trials, by progress: (G, L), increasing in L."""

    values: Floats

    def place(self, cell: int, value: float) -> float | None:
        """Return a value's quantile at this cell, in (0, 1); None if no trial has reached it."""
        row = self.values[cell]
        if not math.isfinite(row[0]):
            return None
        below = int(np.searchsorted(row, value, side="left"))
        upto = int(np.searchsorted(row, value, side="right"))
        return (below + 0.5 * (upto - below) + 0.5) / (LEVELS + 1.0)


def make_population(runs: Sequence[CurveRun]) -> Population:
    """Return the population of n trials, at least one."""
    best = np.sort(stack(runs).best, axis=0)
    # If there are few trials, some count twice; of many, an even selection is kept.
    rows = np.round(np.linspace(0, len(best) - 1, LEVELS)).astype(int)
    return Population(np.ascontiguousarray(best[rows].T))


def evidence(place: float) -> float:
    """Return how strongly a trial's place speaks against one population, as a log likelihood ratio.

    Under one population places are uniform; otherwise they are assumed to have the density 4 u^3,
    concentrated at the bad end. Values better than expected only make the judge more careful, so
    they need not count against one population.
    """
    return float(np.clip(math.log(4.0) + 3.0 * math.log(place), _FOR, _AGAINST))


def same_chance(places: Sequence[float]) -> float:
    """Return the probability of one population after trials at these places, in their order."""
    log_odds = LIKELY
    for place in places:
        log_odds = min(log_odds - evidence(place), LIKELY)
    return 1.0 / (1.0 + math.exp(-log_odds))
