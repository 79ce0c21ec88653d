"""Best first: complete trials by rank, then stopped, running and failed ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tuner.board.best_trials.table.model import Metric, Row, State

#: Maximum number of trials for the front of several metrics, which takes quadratic time.
MOST_FRONT = 5_000
_ORDER: Mapping[State, int] = {"complete": 0, "pruned": 1, "running": 2, "waiting": 3, "fail": 4}


def rank(rows: Sequence[Row], metrics: Sequence[Metric]) -> list[Row]:
    """Return the rows best first, complete ones with their rank.

    With several metrics, the trials that no other one dominates have rank 1, the others none.

    Args:
        rows: in any order.
        metrics: the study's metrics; without one there are no ranks.
    """
    sign = -1.0 if not metrics or metrics[0].goal == "maximize" else 1.0

    def key(row: Row) -> tuple[int, bool, float, int, str]:
        value = main_value(row)
        number = row.trial if row.trial is not None else 0
        return _ORDER[row.state], value is None, sign * (value or 0.0), number, row.run

    ordered = sorted(rows, key=key)
    if len(metrics) > 1:
        return _fronted(ordered, metrics)
    place = 0
    ranked = []
    for row in ordered:
        if metrics and row.state == "complete" and row.objective is not None:
            place += 1
            ranked.append(replace(row, rank=place))
        else:
            ranked.append(row if row.rank is None else replace(row, rank=None))
    return ranked


def main_value(row: Row) -> float | None:
    """Return the value that a row is ordered by: its objective, or the first of several."""
    if row.objective is not None or not row.values:
        return row.objective
    return row.values[0]


def _fronted(rows: Sequence[Row], metrics: Sequence[Metric]) -> list[Row]:
    signs = [-1.0 if metric.goal == "maximize" else 1.0 for metric in metrics]
    costs: list[tuple[int, tuple[float, ...]]] = []
    for at, row in enumerate(rows):
        if row.state == "complete" and len(row.values) == len(signs) and None not in row.values:
            known = [value for value in row.values if value is not None]
            costs.append((at, tuple(s * v for s, v in zip(signs, known, strict=True))))
    costs = costs[:MOST_FRONT]
    # Only trials before it in this order can dominate a trial.
    costs.sort(key=lambda one: one[1])
    front: list[tuple[int, tuple[float, ...]]] = []
    for at, cost in costs:
        if not any(_dominates(other, cost) for _, other in front):
            front.append((at, cost))
    ranks = {at: 1 for at, _ in front}
    ranked = (replace(row, rank=ranks.get(at)) for at, row in enumerate(rows))
    return sorted(ranked, key=lambda row: (_ORDER[row.state], row.rank is None))


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
