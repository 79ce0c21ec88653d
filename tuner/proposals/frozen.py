"""A stored trial as Optuna's samplers and pruners take it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.trial import FrozenTrial, TrialState

from tuner.proposals.proposing import Proposer

STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "fail": TrialState.FAIL,
}


def told_values(row: sa.Row[Any]) -> list[float]:
    """Return what an ended trial is told with: a value for each metric, none when it failed."""
    if row.state == "fail" or not row.values_json:
        return []
    return [float(value) for value in json.loads(row.values_json)]


def freeze(
    proposer: Proposer,
    params: Mapping[str, Any],
    *,
    state: str | None,
    values: Sequence[float] = (),
    attrs: Mapping[str, Any],
    curve: Mapping[int, float],
) -> FrozenTrial:
    """Return a trial as Optuna holds it; number and id are the caller's.

    Args:
        proposer: of the study.
        params: our values.
        state: complete, pruned or fail; None while its result was not told.
        values: see `told_values`.
        attrs: its system attributes.
        curve: reported values by step.
    """
    external, distributions = proposer.decode(params)
    return optuna.trial.create_trial(
        state=TrialState.RUNNING if state is None else STATES[state],
        values=list(values) or None,
        params=external,
        distributions=distributions,
        system_attrs=dict(attrs),
        intermediate_values=dict(curve),
    )
