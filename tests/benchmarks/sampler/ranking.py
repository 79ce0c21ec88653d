"""Several arms together, every family with the same weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tests.benchmarks.sampler import stats
from tests.benchmarks.sampler.stats import Arm
from tests.benchmarks.sampler.tasks.task import Array

#: Task → seed → regret curve.
Runs = Mapping[str, Mapping[int, Array]]


def family_of(task: str) -> str:
    """Return the family of a task by its key."""
    return task.partition("/")[0]


def of_family(runs: Runs, family: str) -> dict[str, Mapping[int, Array]]:
    """Return the runs on the tasks of one family."""
    return {task: seeds for task, seeds in runs.items() if family_of(task) == family}


def families_of(*arms: Runs) -> list[str]:
    """Return the families that all of the arms have a run of."""
    sets = [{family_of(task) for task in runs} for runs in arms]
    return sorted(set.intersection(*sets)) if sets else []


def paired_families(ours: Runs, theirs: Runs, least: int = 1) -> tuple[Array, Array, list[str]]:
    """Return the mean curves by family of two arms, on the tasks and seeds that both have.

    Args:
        ours: task to seed to curve.
        theirs: the same of the other arm.
        least: runs of fewer trials are left out.

    Returns:
        Two arrays of shape (families, trials), cut to the shortest run, and the families.

    Raises:
        ValueError: they share no run.
    """
    rows: list[tuple[Array, Array]] = []
    names = []
    for family in families_of(ours, theirs):
        try:
            mine, other = stats.paired(of_family(ours, family), of_family(theirs, family), least)
        except ValueError:
            continue
        rows.append((mine.mean(axis=0), other.mean(axis=0)))
        names.append(family)
    if not rows:
        raise ValueError("the two arms share no task and seed")
    n = min(len(row[0]) for row in rows)
    mine, other = (np.array([row[side][:n] for row in rows]) for side in (0, 1))
    return mine, other, names


def mean_ranks(curves: Mapping[Arm, Runs], arms: Sequence[Arm]) -> tuple[dict[Arm, float], int]:
    """Return each arm's mean rank over the families that all have, 1 is the best, and their number.

    Within a family the arms are ranked by the mean regret over the first trials, as many as the
    shortest run has, on the tasks and seeds that all share; equal ones share their ranks.
    """
    ranks: list[Array] = []
    for family in families_of(*(curves[arm] for arm in arms)):
        shared = _shared([of_family(curves[arm], family) for arm in arms])
        if shared is not None:
            ranks.append(_ranks(shared))
    if not ranks:
        return {}, 0
    return dict(zip(arms, np.mean(ranks, axis=0).tolist(), strict=True)), len(ranks)


def _shared(arms: Sequence[Runs]) -> Array | None:
    """Return the mean regret of each arm on what all of them have, None if that is nothing."""
    keys = set.intersection(*({(t, s) for t, seeds in arm.items() for s in seeds} for arm in arms))
    if not keys:
        return None
    n = min(len(arm[task][seed]) for arm in arms for task, seed in keys)
    return np.array(
        [np.mean([arm[task][seed][:n].mean() for task, seed in sorted(keys)]) for arm in arms]
    )


def _ranks(areas: Array) -> Array:
    below = (areas[None, :] < areas[:, None]).sum(axis=1)
    equal = (areas[None, :] == areas[:, None]).sum(axis=1)
    return np.asarray(below + (equal + 1) / 2)
