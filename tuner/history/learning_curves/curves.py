"""The learning curves of an earlier study, as trials by progress.

A trial's horizon is what its parameters or constants declare (`horizon.py`), else the longest
complete curve of its study, so that trainings of different lengths are compared by the share that
is done. A curve that is longer than its declared horizon has its own length as horizon.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuner.curves.early_ranks import values_at
from tuner.curves.runs import CurveRun, Fate, make_run
from tuner.curves.table import MAX_TRIALS, MIN_TRIALS
from tuner.history.learning_curves.horizon import declared_horizon
from tuner.history.matching.outcomes import Outcomes, read_outcomes
from tuner.history.store.records import Goal, HistoricStudy, State
from tuner.surrogate.columns import Floats

_FATES: dict[State, Fate] = {"complete": "whole", "fail": "worst"}


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyCurves:
    """The trials of a study that have curves.

    Attributes:
        runs: the trials, at most `MAX_TRIALS`.
        values: (n, G) their values at a rung in each cell, smaller is better; NaN: none.
        final: (n,) their results, smaller is better; inf: failed by their parameters, or pruned.
        whole: number of trials that ran to their end.
        longest: the longest curve of these, in steps.
    """

    runs: tuple[CurveRun, ...]
    values: Floats
    final: Floats
    whole: int
    longest: float


def read_study(study: HistoricStudy, metric: str, goal: Goal) -> StudyCurves | str:
    """Return the curves of a study, or in words why they are not usable.

    Args:
        study: a study loaded with its curves.
        metric: the metric's name there.
        goal: the goal of the study that learns.
    """
    found = _with_curves(read_outcomes(study.trials, metric))
    if len(found.trials) < MIN_TRIALS:
        return f"{len(found.trials)} trials with curves, at least {MIN_TRIALS} needed"
    wholes = [i for i, trial in enumerate(found.trials) if trial.state == "complete"]
    if not wholes:
        return "no trial with a curve ran to its end"
    longest = float(max(found.curves[i][-1][0] for i in wholes))
    sign = -1.0 if goal == "maximize" else 1.0
    made = [_run(study, found, index, longest, sign) for index in range(len(found.trials))]
    final = [sign * value if math.isfinite(value) else math.inf for value in found.values]
    return StudyCurves(
        runs=tuple(run for run, _ in made),
        values=np.array([values for _, values in made]),
        final=np.array(final),
        whole=len(wholes),
        longest=longest,
    )


def _with_curves(outcomes: Outcomes) -> Outcomes:
    chosen = [
        i
        for i, (trial, curve) in enumerate(zip(outcomes.trials, outcomes.curves, strict=True))
        # One that failed before its first report still ranks behind the others.
        if curve or trial.state == "fail"
    ]
    return outcomes.keep(_thinned(chosen), "limit")


def _thinned(chosen: Sequence[int]) -> list[int]:
    if len(chosen) <= MAX_TRIALS:
        return list(chosen)
    at = np.round(np.linspace(0, len(chosen) - 1, MAX_TRIALS)).astype(int)
    return [chosen[i] for i in at]


def _run(
    study: HistoricStudy, found: Outcomes, index: int, longest: float, sign: float
) -> tuple[CurveRun, Floats]:
    trial, curve = found.trials[index], found.curves[index]
    horizon = declared_horizon({**study.constants, **trial.params}) or longest
    if curve:
        horizon = max(horizon, float(curve[-1][0]))
    values = {step: sign * value for step, value in curve}
    numbers = {step: value for step, value in values.items() if math.isfinite(value)}
    run = make_run(values, horizon, _FATES.get(trial.state, "open"))
    return run, values_at(numbers, horizon)
