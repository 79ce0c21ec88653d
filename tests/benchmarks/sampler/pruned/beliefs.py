"""What the service does for its pruners: it tells of earlier curves, and moves first rungs."""

from __future__ import annotations

import numpy as np
import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState

from tests.benchmarks.pruning_play import HALF
from tests.benchmarks.sampler.pruned.arm import PrunedProblem
from tuner.curves.belief import CurveBelief
from tuner.curves.early_ranks import correlations, first_cell, values_at
from tuner.curves.runs import CELLS, make_run
from tuner.curves.table import make_table, merge
from tuner.history.learning_curves.early import EarlyRanks
from tuner.proposals.brackets import bracket_pruner
from tuner.proposals.pruners.by_history import HistoryPruner
from tuner.proposals.pruners.halving import HalvingPruner


def inform(pruner: BasePruner, problem: PrunedProblem) -> None:
    """Hand the pruner what history says, where it asks for that."""
    if not problem.history:
        return
    if isinstance(pruner, HistoryPruner):
        pruner.take(belief_of(problem, pruner.top))
    elif isinstance(pruner, HalvingPruner):
        pruner.early = early_ranks_of(problem)


def settle(pruner: BasePruner, study: optuna.Study) -> None:
    """Choose or move the first rung, as the service does whenever a trial has ended."""
    if isinstance(pruner, HalvingPruner):
        rung = pruner.decide(study)
        if rung is not None:
            pruner.take(rung)


def brackets_of(pruner: BasePruner) -> BasePruner:
    """Return what divides the trials for the samplers: they see those of a new one's bracket."""
    return bracket_pruner(pruner.brackets if isinstance(pruner, HalvingPruner) else None)


def early_ranks_of(problem: PrunedProblem) -> EarlyRanks:
    """Return from when on ranks predict the end, by the studies most of whose trials ran whole."""
    found = []
    for study in problem.history:
        whole = _whole(study)
        if len(whole) >= HALF * len(study):
            curves = [values_at(trial.intermediate_values, problem.epochs) for trial in whole]
            final = np.array([trial.value for trial in whole])
            found.append(correlations(np.array(curves), final))
    first = first_cell(found)
    return EarlyRanks(
        progress=None if first is None else (first[0] + 1) / CELLS,
        correlation=None if first is None else first[1],
        studies=len(found),
        trials=sum(count for _, count in found),
        horizon=float(problem.epochs),
    )


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
