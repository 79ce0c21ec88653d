"""How a study's trials ended, by their earlier rank: one table per study, or several merged.

Symbols: G cells of progress, Q = `BINS` quantiles, n trials.

For a trial at quantile q of its study and progress s, a table gives the probability that it ends in
the best `top` of the study. It is estimated with a kernel of width `WIDTH` in q. Using ranks
instead of values makes studies with other data and other metrics comparable.

In a merged table, each study has the weight m / (m + 1) at (s, q), where m is the number of its
trials that are informative there: an estimate from m trials has a variance of about 1/m in addition
to that between studies, which is assumed to equal that of one trial. So each study counts at most
once (a huge one does not dominate), and a small one is not shrunk separately. Shrinkage towards the
base rate `top` is applied once to the merged table: `KAPPA` uninformative studies, and 1/top - 2
trials at the base rate if that is positive (from few trials nobody can conclude that not one in ten
would end well).

Finally P is made to decrease with q (pool adjacent violators). This is the first safeguard: a
history of noise, or with inverted order, becomes a flat table, which stops nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.curves.runs import CELLS, LAST, CurveRun, Runs, ranks, stack, standings
from tuner.surrogate.columns import Flags, Floats, Numbers

BINS = 20
EDGES: Floats = np.linspace(0.0, 1.0, BINS + 1)
MID: Floats = (EDGES[1:] + EDGES[:-1]) / 2
WIDTH = 0.04
#: Weight of the uninformative prior, in studies.
KAPPA = 0.25
#: Minimum number of trials of a study for a table.
MIN_TRIALS = 20
#: Maximum number of trials used of a study, chosen evenly.
MAX_TRIALS = 300


@dataclass(frozen=True, eq=False)
class StudyTable:
    """One study: fraction of trials that ended in the best `top`, and their number, (G, Q) each."""

    share: Floats
    mass: Floats


def make_table(runs: Sequence[CurveRun], final: Floats, top: float) -> StudyTable:
    """Return the table of a study.

    Args:
        final: (n,) their final values; inf if a trial failed or was stopped.
        top: the fraction of them that counts as good.
    """
    good = ranks(final) < top
    quantiles, alive, cells = _standings(stack(runs))
    share, mass = np.full((len(cells), BINS), top), np.zeros((len(cells), BINS))
    for at in range(len(cells)):
        there = alive[:, at]
        distance = (MID[:, None] - quantiles[None, there, at]) / WIDTH
        kernel = np.exp(-0.5 * distance**2)
        mass[at] = kernel.sum(axis=1)
        np.divide(kernel @ good[there], mass[at], out=share[at], where=mass[at] > 1e-9)
    # Nothing becomes known between two reports, or before the first.
    row = np.searchsorted(cells, np.arange(CELLS), side="right") - 1
    known = row >= 0
    return StudyTable(
        np.where(known[:, None], share[row], top), np.where(known[:, None], mass[row], 0.0)
    )


def _standings(runs: Runs) -> tuple[Floats, Flags, Numbers]:
    """Return quantile and aliveness (n, T) at the T cells in which something became known."""
    changed = np.zeros(CELLS, dtype=bool)
    changed[1:] = (runs.best[:, 1:] != runs.best[:, :-1]).any(axis=0)
    changed[runs.first] = changed[runs.reported[runs.reported >= 0]] = True
    cells = np.flatnonzero(changed)
    quantiles = np.empty((len(runs), len(cells)))
    for index in range(len(runs)):
        run = CurveRun(runs.best[index], runs.first[index : index + 1], LAST)
        # A trial is among its own peers, as a tie: (r + 1/2) / n of the n trials, including itself.
        better, of = standings(run, runs, cells)
        quantiles[index] = better / np.maximum(of, 1)
    begun = runs.first[:, None] <= cells
    # A trial that ended early by itself keeps its rank until the end.
    ended = (runs.last > runs.reported) & np.isfinite(runs.best[:, -1])
    return quantiles, begun & ((cells <= runs.reported[:, None]) | ended[:, None]), cells


def merge(tables: Sequence[StudyTable], weights: Sequence[float], top: float) -> Floats:
    """Return P (G, Q) of several studies merged, decreasing with the quantile.

    Args:
        tables: of the studies; an empty list gives the base rate everywhere.
        weights: of each study, at least 0.
        top: the base rate.
    """
    total, mass = np.zeros((CELLS, BINS)), np.zeros((CELLS, BINS))
    trials = np.zeros((CELLS, BINS))
    for table, weight in zip(tables, weights, strict=True):
        counts = weight * table.mass / (table.mass + 1.0)
        total += counts * table.share
        mass += counts
        trials += weight * table.mass
    unknowing = KAPPA + max(0.0, 1.0 / top - 2.0) * mass / np.maximum(trials, 1e-9)
    chance = (total + unknowing * top) / (mass + unknowing)
    told = mass + unknowing
    return np.array([falling(row, weight) for row, weight in zip(chance, told, strict=True)])


def falling(values: Floats, weights: Floats) -> Floats:
    """Return the decreasing sequence nearest to `values` in weighted least squares."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, mass, count = value, weight, 1
        while blocks and blocks[-1][0] < mean:
            other, other_mass, other_count = blocks.pop()
            mean = (mean * mass + other * other_mass) / (mass + other_mass)
            mass, count = mass + other_mass, count + other_count
        blocks.append((mean, mass, count))
    return np.concatenate([np.full(count, mean) for mean, _, count in blocks])
