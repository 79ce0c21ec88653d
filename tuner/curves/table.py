"""How the trials of a study ended, by where they stood: one table a study, and several together.

Symbols: G cells of progress, Q = `BINS` quantiles, n trials.

A table says, for a trial that stands at quantile q of its study at progress s, how likely it is
that it ends in the best `top` of it. It is made by a kernel of width `WIDTH` in q. Standing takes
the place of the value, and makes studies of other data and other metrics comparable.

Together, each study weighs m / (m + 1) at (s, q), where m is how many of its trials tell of that
place: an estimate from m trials has a variance of about 1/m beside that between studies, which is
taken to be like that of one trial. So each study counts at most once (a huge one does not
dominate), and a small one is not shrunk by itself. What keeps few near the base rate `top` is added
once to all together: `KAPPA` studies that know nothing, and 1/top - 2 trials at the base rate where
that is more than none (of few trials nobody can say that not one in ten would end well).

At last P is made to fall with q (pool adjacent violators). This is the first safeguard: a history
that is noise, or whose order is inverted, becomes a flat table, which stops nothing.
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
#: Studies that know nothing.
KAPPA = 0.25
#: A study of fewer trials makes no table.
MIN_TRIALS = 20
#: Of a larger study so many trials are looked at, evenly chosen.
MAX_TRIALS = 300


@dataclass(frozen=True, eq=False)
class StudyTable:
    """One study: share of those that ended in the best `top` and how many tell it, (G, Q) each."""

    share: Floats
    mass: Floats


def make_table(runs: Sequence[CurveRun], final: Floats, top: float) -> StudyTable:
    """Return the table of a study.

    Args:
        final: (n,) their values at the end; inf: it failed, or was stopped before.
        top: which share of them counts as good.
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
    # Between two reports nothing becomes known; before the first, nothing is.
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
        # It is among its own peers, as a tie: (r + 1/2) / n of the n trials, itself included.
        better, of = standings(run, runs, cells)
        quantiles[index] = better / np.maximum(of, 1)
    begun = runs.first[:, None] <= cells
    # One that ended early by itself stands where it stood until the end.
    ended = (runs.last > runs.reported) & np.isfinite(runs.best[:, -1])
    return quantiles, begun & ((cells <= runs.reported[:, None]) | ended[:, None]), cells


def merge(tables: Sequence[StudyTable], weights: Sequence[float], top: float) -> Floats:
    """Return P (G, Q) of several studies together, falling with the quantile.

    Args:
        tables: of the studies; none gives the base rate everywhere.
        weights: how much each counts, at least 0.
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
    """Return the falling sequence that is nearest to `values` in weighted squares."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, mass, count = value, weight, 1
        while blocks and blocks[-1][0] < mean:
            other, other_mass, other_count = blocks.pop()
            mean = (mean * mass + other * other_mass) / (mass + other_mass)
            mass, count = mass + other_mass, count + other_count
        blocks.append((mean, mass, count))
    return np.concatenate([np.full(count, mean) for mean, _, count in blocks])
