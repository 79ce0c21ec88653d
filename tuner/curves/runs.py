"""Trials as far as they have run: the best value so far, by progress.

Symbols: n trials, G = `CELLS` cells of progress. Step t of a horizon h lies in the cell
ceil(G t / h) - 1: two trials with the same horizon of at most G steps are compared step by step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tuner.surrogate.columns import Floats, Numbers

#: Number of cells of progress.
CELLS = 100
LAST = CELLS - 1

#: open: it runs, or was stopped; whole: it ran to its end; worst: its parameters made it fail.
Fate = Literal["open", "whole", "worst"]


@dataclass(frozen=True, eq=False)
class CurveRun:
    """One trial.

    Attributes:
        best: (G,) the best value up to each cell; inf before the first report.
        cells: (T,) the cells of its reports, increasing; empty if it failed before the first.
        last: the last cell at which others can be compared with it: that of its last report, or the
            final cell for a trial that ended by itself.
    """

    best: Floats
    cells: Numbers
    last: int

    @property
    def first(self) -> int:
        """Cell of the first report; if none, 0 for a failed trial, otherwise beyond the last."""
        if len(self.cells):
            return int(self.cells[0])
        return 0 if self.last == LAST else CELLS

    @property
    def reported(self) -> int:
        """Cell of the last report; -1 if there is none."""
        return int(self.cells[-1]) if len(self.cells) else -1


@dataclass(frozen=True, eq=False)
class Runs:
    """Several trials: `best` is (n, G); `last` and the cells of the first and last report (n,)."""

    best: Floats
    first: Numbers
    reported: Numbers
    last: Numbers

    def __len__(self) -> int:
        """Return n."""
        return len(self.first)

    def first_of(self, count: int) -> Runs:
        """Return the first `count` of them."""
        return Runs(self.best[:count], self.first[:count], self.reported[:count], self.last[:count])


def cell_of(step: float, horizon: float) -> int:
    """Return the cell that contains a step; steps beyond the horizon belong to the last one."""
    return min(LAST, max(0, math.ceil(CELLS * step / horizon - 1e-9) - 1))


def make_run(curve: Mapping[int, float], horizon: float, fate: Fate = "open") -> CurveRun:
    """Return a trial made from its reports.

    A trial that ran to its end keeps its best value from then on, however early it ended. One that
    failed is worse than all others from that point on. NaN counts as the worst value.

    Args:
        curve: value by step, smaller is better.
        horizon: number of steps of a complete trial, above 0.
        fate: how it ended.
    """
    best = np.full(CELLS, np.inf)
    for step, value in curve.items():
        cell = cell_of(step, horizon)
        if value < best[cell]:
            best[cell] = value
    best = np.minimum.accumulate(best)
    cells = np.array(sorted({cell_of(step, horizon) for step in curve}), dtype=np.int64)
    reported = int(cells[-1]) if len(cells) else -1
    if fate == "worst":
        best[reported + 1 :] = np.inf
    return CurveRun(best, cells, max(reported, 0) if fate == "open" else LAST)


def stack(runs: Sequence[CurveRun]) -> Runs:
    """Return trials as arrays."""
    return Runs(
        np.array([run.best for run in runs]).reshape(len(runs), CELLS),
        np.array([run.first for run in runs], dtype=np.int64),
        np.array([run.reported for run in runs], dtype=np.int64),
        np.array([run.last for run in runs], dtype=np.int64),
    )


def standings(run: CurveRun, peers: Runs, cells: Numbers) -> tuple[Floats, Numbers]:
    """Return a trial's rank among its peers: how many are better, of how many.

    Each pair is compared at the last cell that both have reached, so that a stopped trial remains a
    peer: among the survivors alone the bar would keep rising. A tie counts one half.

    Args:
        peers: the others, n.
        cells: (T,) the points in time.

    Returns:
        The number of better ones (T,), in steps of one half, and of those that could be compared
        (T,).
    """
    common = np.minimum(cells[None, :], peers.last[:, None])
    theirs = np.take_along_axis(peers.best, common, axis=1)
    mine = run.best[common]
    known = (common >= peers.first[:, None]) & (common >= run.first)
    better = ((theirs < mine) & known).sum(axis=0) + 0.5 * ((theirs == mine) & known).sum(axis=0)
    return better, known.sum(axis=0)


def ranks(values: Floats) -> Floats:
    """Return the quantile of each value among all, in (0, 1): ties share theirs, inf is last."""
    if not len(values):
        return np.empty(0)
    order = np.sort(values)
    below = np.searchsorted(order, values, side="left")
    upto = np.searchsorted(order, values, side="right")
    return (below + upto) / (2.0 * len(values))
