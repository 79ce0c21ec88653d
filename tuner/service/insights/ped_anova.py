"""Which parameters distinguish the best trials: PED-ANOVA, and condPED-ANOVA for dependent ones.

Computed by Optuna. Sources: Watanabe, Bansal, Hutter (2023), "PED-ANOVA: Efficiently quantifying
hyperparameter importance in arbitrary subspaces"; "Conditional PED-ANOVA" (2026).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial

from tuner.documents.study_folder.insights import ConditionalShare, MethodImportance
from tuner.space.parameter import Parameter

#: The best trials are this share, but at least this number: Optuna requires five.
_SHARE, _FEWEST = 0.1, 5
#: And at most this share.
_LARGEST = 0.5
#: Dependent parameters are compared among themselves if at least this number of trials has them.
_LEAST_ACTIVE = 20


def ped_anova(
    tuned: Sequence[Parameter], trials: Sequence[FrozenTrial], metrics: int
) -> MethodImportance:
    """Return how much each parameter distinguishes the best trials from the others.

    Args:
        tuned: parameters with more than one value.
        trials: complete ones, to be minimized; at least ten.
        metrics: number of values of each. Each is explained separately; a share is the mean.

    Returns:
        `parameters`: `name`, `share` (the sum is 1) and `active`, the share of trials that have the
        parameter, most important first. `conditions`: `name`, `when` and `share` of dependent
        parameters, among the trials in which they are active. `why`: why there is no result, else
        empty.
    """
    shares = _shares(trials, metrics)
    if not shares:
        return {
            "why": "no parameter sets the best trials apart",
            "parameters": [],
            "conditions": [],
        }
    active = _active(tuned, trials)
    ranked = sorted(tuned, key=lambda p: -shares.get(p.name, 0.0))
    return {
        "why": "",
        "parameters": [
            {"name": p.name, "share": shares.get(p.name, 0.0), "active": active[p.name]}
            for p in ranked
        ],
        "conditions": _conditions(tuned, trials, metrics),
    }


def _conditions(
    tuned: Sequence[Parameter], trials: Sequence[FrozenTrial], metrics: int
) -> list[ConditionalShare]:
    """Return the shares of dependent parameters, under each condition on which they are active."""
    groups: dict[tuple[Any, ...], list[Parameter]] = {}
    for parameter in tuned:
        if parameter.when:
            groups.setdefault(parameter.when, []).append(parameter)
    found: list[ConditionalShare] = []
    for when, parameters in groups.items():
        names = {parameter.name for parameter in parameters}
        here = [trial for trial in trials if names <= trial.params.keys()]
        shares = _shares(here, metrics) if len(here) >= _LEAST_ACTIVE else {}
        conditions = {item.parent: list(item.values) for item in when}
        found += [
            {"name": p.name, "when": conditions, "share": shares[p.name]}
            for p in parameters
            if p.name in shares
        ]
    return sorted(found, key=lambda item: -item["share"])


def _shares(trials: Sequence[FrozenTrial], metrics: int) -> Mapping[str, float]:
    """Return the share of each parameter; empty: all trials have the same result."""
    least = min(_LARGEST, max(_SHARE, _FEWEST / len(trials)))
    evaluator = PedAnovaImportanceEvaluator(target_quantile=least)
    totals: dict[str, float] = {}
    explained = 0
    for at in range(metrics):
        costs = [trial.values[at] for trial in trials]
        if min(costs) == max(costs):
            continue
        found = _evaluate(evaluator, trials, costs)
        total = sum(found.values())
        if total > 0.0:
            explained += 1
            for name, value in found.items():
                totals[name] = totals.get(name, 0.0) + value / total
    return {name: value / explained for name, value in totals.items()}


def _evaluate(
    evaluator: PedAnovaImportanceEvaluator, trials: Sequence[FrozenTrial], costs: Sequence[float]
) -> Mapping[str, float]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="minimize")
    study.add_trials(
        optuna.trial.create_trial(
            value=cost, params=trial.params, distributions=trial.distributions
        )
        for trial, cost in zip(trials, costs, strict=True)
    )
    with warnings.catch_warnings():
        # Warnings about regimes with few trials, which are left out; nobody reads them here.
        warnings.simplefilter("ignore")
        return evaluator.evaluate(study)


def _active(tuned: Sequence[Parameter], trials: Sequence[FrozenTrial]) -> dict[str, float]:
    return {
        parameter.name: sum(parameter.name in trial.params for trial in trials) / len(trials)
        for parameter in tuned
    }
