"""Which trials are the best if a study has several metrics."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from tuner.trials.store.listings.ranking import complete_trials
from tuner.trials.trial import Trial


def front(connection: sa.Connection, study_id: int, goals: Sequence[str]) -> list[Trial]:
    """Return the complete trials that no other one dominates, in number order."""
    trials = complete_trials(connection, study_id)
    return [trials[i] for i in pareto_front([trial.values for trial in trials], goals)]


def pareto_front(values: Sequence[Sequence[float]], goals: Sequence[str]) -> list[int]:
    """Return the indices of the points that no other point dominates, in the given order.

    A point dominates another if it is at least as good in every metric and better in one. Equal
    points all stay.

    Args:
        values: one sequence of finite numbers for each point, one number for each metric.
        goals: "maximize" or "minimize" for each metric.
    """
    signs = [1.0 if goal == "minimize" else -1.0 for goal in goals]
    points = [tuple(s * v for s, v in zip(signs, point, strict=True)) for point in values]
    # In lexicographic order only an earlier point can dominate a later one.
    order = sorted(range(len(points)), key=lambda i: points[i])
    front: list[int] = []
    for i in order:
        if not any(_dominates(points[j], points[i]) for j in front):
            front.append(i)
    return sorted(front)


def _dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))
