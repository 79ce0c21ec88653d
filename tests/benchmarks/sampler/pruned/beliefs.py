"""What the product's pruners are told of earlier curves."""

from __future__ import annotations

import numpy as np
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState

from tests.benchmarks.pruning_play import HALF
from tests.benchmarks.sampler.pruned.arm import PrunedProblem
from tuner.coordinator.history_pruner import HistoryPruner
from tuner.curves.belief import CurveBelief
from tuner.curves.runs import make_run
from tuner.curves.table import make_table, merge


def inform(pruner: BasePruner, problem: PrunedProblem) -> None:
    """Hand the pruner what history says, where it asks for that."""
    if isinstance(pruner, HistoryPruner) and problem.history:
        pruner.take(belief_of(problem, pruner.top))


def belief_of(problem: PrunedProblem, top: float) -> CurveBelief:
    """Return what the history says, as the service's lesson does.

    A study most of whose trials were stopped tells nothing: which were its best half is not known.
    """
    whole = [(_whole(study), len(study)) for study in problem.history]
    studies = [study for study, size in whole if len(study) >= max(top, HALF) * size]
    weights = [1.0] * len(studies)

    def table(share: float) -> np.ndarray:
        tables = [
            make_table(
                [make_run(trial.intermediate_values, problem.epochs, "whole") for trial in study],
                np.array([trial.value for trial in study]),
                share,
            )
            for study in studies
        ]
        return merge(tables, weights, share)

    return CurveBelief(
        top=top,
        chance=table(top),
        half=table(HALF),
        population=None,
        studies=len(studies),
        trials=sum(map(len, studies)),
        horizon=float(problem.epochs),
    )


def _whole(study: tuple[FrozenTrial, ...]) -> list[FrozenTrial]:
    return [trial for trial in study if trial.state == TrialState.COMPLETE]
