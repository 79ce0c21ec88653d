"""Computes the importance of a study's parameters from the results of its trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tuner.documents.importance import Weighed
from tuner.service.importance.edges import Results, edges, position
from tuner.service.importance.effects import EffectColumn, effect_shares
from tuner.space.axis import Axis
from tuner.space.parameter import Parameter
from tuner.space.scale import all_scaled, scaled
from tuner.spec import StudySpec
from tuner.surrogate.columns import Floats
from tuner.trials.store.listings.results import TrialResult

#: The best trials are this share of all, at least this number, and at most a third.
_SHARE, _FEWEST = 0.1, 5


def weigh(study: StudySpec, known: Sequence[TrialResult]) -> Weighed:
    """Return what the parameters explain.

    With several metrics, each is explained separately, and a share is the mean of its shares.

    Args:
        known: the results of its trials, in number order.
    """
    tuned = [parameter for parameter in study.space.parameters if parameter.kind != "fixed"]
    params = [trial.params for trial in known]
    signs = [-1.0 if metric.goal == "maximize" else 1.0 for metric in study.metrics]
    costs = np.array([trial.values for trial in known], dtype=float) * signs
    results = _results(known, params, costs[:, 0]) if len(signs) == 1 else None
    found: Weighed = {
        "best": 0 if results is None else int(results.best.sum()),
        "edges": [] if results is None else edges(tuned, results),
        "why": "",
        "parameters": [{"name": parameter.name, "share": None} for parameter in tuned],
    }
    columns = [_column(parameter, params) for parameter in tuned]
    shares = [effect_shares(columns, costs[:, at]) for at in range(len(signs))]
    explained = [share for share in shares if share is not None]
    if not explained:
        is_same = bool(np.all(np.ptp(costs, axis=0) == 0.0))
        chance = "no parameter stands out of what chance does"
        found["why"] = "all trials came out the same" if is_same else chance
        return found
    means = np.mean(explained, axis=0).tolist()
    pairs = sorted(zip(tuned, means, strict=True), key=lambda pair: -pair[1])
    found["parameters"] = [{"name": parameter.name, "share": share} for parameter, share in pairs]
    return found


def _results(
    known: Sequence[TrialResult],
    params: Sequence[Mapping[str, Any]],
    costs: Floats,
) -> Results | None:
    """Return which trials are the best; None if most are equally good."""
    wanted = min(max(math.ceil(_SHARE * len(costs)), _FEWEST), len(costs) // 3)
    best = costs <= np.partition(costs, wanted - 1)[wanted - 1]
    if 2 * best.sum() > len(costs):
        return None
    whole = [(cost, at) for at, cost in enumerate(costs) if known[at].is_whole]
    return Results(params=params, best=best, first=min(whole)[1] if whole else None)


def _column(parameter: Parameter, trials: Sequence[Mapping[str, Any]]) -> EffectColumn:
    axis = Axis(parameter)
    if parameter.values:
        at = np.array([position(axis, params) for params in trials], dtype=float)
    else:
        at = _numbers(parameter, trials)
    return EffectColumn(at=at, is_choice=axis.kind == "choice")


def _numbers(parameter: Parameter, trials: Sequence[Mapping[str, Any]]) -> Floats:
    """Return the `position` of a number in all trials, shape (n,)."""
    at = np.array([params.get(parameter.name, math.nan) for params in trials], dtype=float)
    low, high = parameter.bounds
    at, low, high = all_scaled(parameter, at), scaled(parameter, low), scaled(parameter, high)
    return np.asarray((at - low) / max(high - low, _TINY))


#: Substitute for the width of a range with a single value.
_TINY = 1e-300
