"""A stored trial in the form that Optuna's samplers and pruners use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from tuner.proposals.proposing import Proposer
from tuner.trials.states import TrialState
from tuner.trials.trial import Trial

#: Optuna's states of ended trials.
STATES: Mapping[TrialState, OptunaState] = {
    TrialState.COMPLETE: OptunaState.COMPLETE,
    TrialState.PRUNED: OptunaState.PRUNED,
    TrialState.FAIL: OptunaState.FAIL,
}


def told_values(trial: Trial) -> list[float]:
    """Return the values told for an ended trial: one per metric, or none if it failed."""
    if trial.state is TrialState.FAIL:
        return []
    return [float(value) for value in trial.values]


def freeze(
    proposer: Proposer,
    params: Mapping[str, Any],
    *,
    state: TrialState | None,
    values: Sequence[float] = (),
    attrs: Mapping[str, Any],
    curve: Mapping[int, float],
) -> FrozenTrial:
    """Return a trial as stored by Optuna; the caller sets number and id.

    Args:
        params: our values.
        state: COMPLETE, PRUNED or FAIL; None until its result is told.
        values: see `told_values`.
        attrs: its system attributes.
        curve: reported values by step.
    """
    external, distributions = proposer.decode(params)
    return optuna.trial.create_trial(
        state=OptunaState.RUNNING if state is None else STATES[state],
        values=list(values) or None,
        params=external,
        distributions=distributions,
        system_attrs=dict(attrs),
        intermediate_values=dict(curve),
    )
