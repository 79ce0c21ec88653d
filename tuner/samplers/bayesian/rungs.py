"""What a pruned trial would have come to, judged by the trials that went on from the same step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from optuna.trial import FrozenTrial

from tuner.surrogate.columns import Floats


def last_report(trial: FrozenTrial) -> tuple[int, float] | None:
    """Return the step and value of the last finite report of a trial, None without one."""
    reports = [(s, v) for s, v in trial.intermediate_values.items() if math.isfinite(v)]
    return max(reports) if reports else None


def expected_finals(
    pruned: Sequence[FrozenTrial],
    complete: Sequence[FrozenTrial],
    finals: Floats,
    sign: float,
) -> Floats:
    """Return the final value that each pruned trial would have had, by its rank at its last step.

    Ranks survive training far better than values: the trial gets the final value of the complete
    trials that were as good at the same step, between neighbours by interpolation, and at best the
    best of them. Without a complete trial at that step it gets the median of all. While no trial is
    complete at all, the reports at the first step where one was pruned stand for the final values.

    Args:
        pruned: trials that were stopped.
        complete: trials that ran to the end.
        finals: their objective values, smaller is better, shape (len(complete),).
        sign: -1 where the reports are maximised.

    Returns:
        Shape (len(pruned),), smaller is better; NaN for a trial without a report.
    """
    if not len(finals):
        return _first_rung(pruned, sign)
    found = np.full(len(pruned), np.nan)
    for index, trial in enumerate(pruned):
        report = last_report(trial)
        if report is None:
            continue
        step, value = report
        peers = [
            (sign * other.intermediate_values[step], final)
            for other, final in zip(complete, finals, strict=True)
            if math.isfinite(other.intermediate_values.get(step, math.nan))
        ]
        found[index] = _by_rank(sign * value, peers) if peers else float(np.median(finals))
    return found


def _first_rung(pruned: Sequence[FrozenTrial], sign: float) -> Floats:
    reports = [last_report(trial) for trial in pruned]
    step = min((report[0] for report in reports if report is not None), default=0)
    values = [sign * trial.intermediate_values.get(step, math.nan) for trial in pruned]
    found = np.array(values, dtype=float)
    return np.where(np.isfinite(found), found, np.nan)


def _by_rank(value: float, peers: list[tuple[float, float]]) -> float:
    """Return the final value at the rank of `value` among the peers' reports."""
    reports = np.sort([report for report, _ in peers])
    finals = np.sort([final for _, final in peers])
    # A trial that is worse than all others at its step ends at least as badly as the worst.
    return float(np.interp(value, reports, finals))
