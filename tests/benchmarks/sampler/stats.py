"""What runs say: regret curves, paired ratios with bootstrap intervals, corrected comparisons.

A task is the unit: its seeds are averaged first, and intervals come from drawing tasks anew (tasks
of one family are not independent, so they are, if anything, too narrow); percentile method.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.sampler.results import Run
from tests.benchmarks.sampler.tasks.task import Array, regret

AT = (1, 3, 5, 10, 20, 30, 50, 100)
LEVEL = 0.90
_DRAWS = 4000
_FLIPS = 20000

#: One way of tuning: method, history, pending.
Arm = tuple[str, str, int]


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Mean regret of one arm over that of another, with its interval of level `LEVEL`."""

    value: float
    low: float
    high: float
    tasks: int


def regret_curve(run: Run) -> Array:
    """Return the normalised regret after each finished trial of a run."""
    return regret(np.array(run.values), run.best, run.median)


def curves_of(runs: Iterable[Run]) -> dict[Arm, dict[str, dict[int, Array]]]:
    """Return arm → task → seed → curve; of several lines for one run the last counts."""
    found: dict[Arm, dict[str, dict[int, Array]]] = {}
    for run in runs:
        arm = (run.method, run.history, run.pending)
        found.setdefault(arm, {}).setdefault(run.task, {})[run.seed] = regret_curve(run)
    return found


def paired(
    ours: Mapping[str, Mapping[int, Array]],
    theirs: Mapping[str, Mapping[int, Array]],
    least: int = 1,
) -> tuple[Array, Array]:
    """Return the mean curves by task of two arms, on the tasks and seeds that both have.

    Args:
        ours: task to seed to curve.
        theirs: the same of the other arm.
        least: runs of fewer trials are left out.

    Returns:
        Two arrays of shape (tasks, trials), cut to the shortest run.

    Raises:
        ValueError: they share no run.
    """
    rows = []
    for task in sorted(set(ours) & set(theirs)):
        both = set(ours[task]) & set(theirs[task])
        seeds = [s for s in sorted(both) if min(len(ours[task][s]), len(theirs[task][s])) >= least]
        if seeds:
            rows.append(([ours[task][s] for s in seeds], [theirs[task][s] for s in seeds]))
    if not rows:
        raise ValueError("the two arms share no task and seed")
    n = min(len(curve) for pair in rows for side in pair for curve in side)
    mine, other = (
        np.array([np.mean([curve[:n] for curve in pair[side]], axis=0) for pair in rows])
        for side in (0, 1)
    )
    return mine, other


def ratio(ours: Array, theirs: Array, seed: int = 0) -> Ratio:
    """Return the ratio of two means over tasks, given one number each; shapes (tasks,)."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(len(ours), size=(_DRAWS, len(ours)))
    drawn = _divide(ours[rows].mean(axis=1), theirs[rows].mean(axis=1))
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    value = _divide(ours.mean(keepdims=True), theirs.mean(keepdims=True))[0]
    return Ratio(value=float(value), low=float(low), high=float(high), tasks=len(ours))


def _divide(above: Array, below: Array) -> Array:
    # Both have found the best known: equal. The floor is below any difference that matters.
    return (above + 1e-4) / (below + 1e-4)


def area(curves: Array, until: int = 100) -> Array:
    """Return the mean regret over the first `until` trials of each row."""
    return curves[:, :until].mean(axis=1)


def p_value(ours: Array, theirs: Array, seed: int = 0) -> float:
    """Return the two-sided p of "no difference", by flipping the signs of tasks' differences."""
    differences = ours - theirs
    rng = np.random.default_rng(seed)
    flips = rng.choice([-1.0, 1.0], size=(_FLIPS, len(differences)))
    drawn = np.abs(flips @ differences)
    return float((1 + (drawn >= abs(differences.sum()) - 1e-12).sum()) / (1 + _FLIPS))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p values corrected for how many they are (Holm 1979), in the same order."""
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def trials_to_reach(curve: Array, level: float) -> int | None:
    """Return after how many trials a mean curve is at or below `level`; None when it never is."""
    hits = np.flatnonzero(curve <= level)
    return int(hits[0]) + 1 if len(hits) else None
