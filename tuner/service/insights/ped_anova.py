"""Which parameters set the best trials apart: PED-ANOVA, and condPED-ANOVA where some depend.

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

from tuner.documents.document import JsonObject
from tuner.space.parameter import Parameter

#: The best are this share of the trials, and so many at least: Optuna wants five.
_SHARE, _FEWEST = 0.1, 5
#: And no more than this share.
_LARGEST = 0.5
#: Parameters that depend are weighed among themselves where so many trials have them.
_LEAST_ACTIVE = 20


def ped_anova(
    tuned: Sequence[Parameter], trials: Sequence[FrozenTrial], metrics: int
) -> JsonObject:
    """Return how much each parameter sets the best trials apart from the others.

    Args:
        tuned: parameters with more than one value.
        trials: whole ones, to be minimised; ten at least.
        metrics: how many values each has. Each is explained by itself, and a share is the mean.

    Returns:
        `parameters`: `name`, `share` (together 1) and `active`, the share of trials that have the
        parameter, those that matter first. `conditions`: `name`, `when` and `share` of parameters
        that depend on others, among the trials in which they are active. `why`: why nothing can be
        said, else empty.
    """
    shares = _shares(trials, metrics)
    if not shares:
        return {
            "why": "no parameter sets the best trials apart",
            "parameters": [],
            "conditions": [],
        }
    active = _active(tuned, trials)
    named = [
        {"name": p.name, "share": shares.get(p.name, 0.0), "active": active[p.name]} for p in tuned
    ]
    return {
        "why": "",
        "parameters": sorted(named, key=lambda item: -item["share"]),
        "conditions": list(_conditions(tuned, trials, metrics)),
    }


def _conditions(
    tuned: Sequence[Parameter], trials: Sequence[FrozenTrial], metrics: int
) -> list[JsonObject]:
    """Return the shares of parameters that depend on others, where these have their values."""
    groups: dict[tuple[Any, ...], list[Parameter]] = {}
    for parameter in tuned:
        if parameter.when:
            groups.setdefault(parameter.when, []).append(parameter)
    found = []
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
    """Return the share of each parameter; empty: all trials came out the same."""
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
        # Of regimes with few trials; these are left out, and nobody reads warnings here.
        warnings.simplefilter("ignore")
        return evaluator.evaluate(study)


def _active(tuned: Sequence[Parameter], trials: Sequence[FrozenTrial]) -> dict[str, float]:
    return {
        parameter.name: sum(parameter.name in trial.params for trial in trials) / len(trials)
        for parameter in tuned
    }
