"""Weighing the parameters of a study by what came of its trials."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from tuner.service.edges import Results, edges, position
from tuner.service.effects import Column, effect_shares
from tuner.service.views import Document
from tuner.space.axis import Axis
from tuner.space.parameter import Parameter
from tuner.spec import StudySpec, parse_spec
from tuner.surrogate.columns import Floats

#: The best of a study are this share of its trials, so many at least, and a third at most.
_SHARE, _FEWEST = 0.1, 5


def weigh(spec: dict[str, Any], known: Sequence[tuple[sa.Row[Any], list[float]]]) -> Document:
    """Return what a document of importance says beyond the names; see `importance_document`.

    Args:
        spec: of the study, as it is stored.
        known: the trials that have a value for each metric, with these, in number order.
    """
    study = parse_spec(spec)
    results = _results(study, known)
    if results is None:
        return {"why": "most trials came out the same"}
    tuned = [parameter for parameter in study.space.parameters if parameter.kind != "fixed"]
    found = {"best": int(results.best.sum()), "edges": edges(tuned, results)}
    shares = effect_shares([_column(parameter, results) for parameter in tuned], results.costs)
    if shares is None:
        return {**found, "why": "no parameter stands out of what chance does"}
    pairs = sorted(zip(tuned, shares, strict=True), key=lambda pair: -pair[1])
    parameters = [{"name": parameter.name, "share": share} for parameter, share in pairs]
    return {**found, "why": "", "parameters": parameters}


def _results(spec: StudySpec, known: Sequence[tuple[sa.Row[Any], list[float]]]) -> Results | None:
    """Return the trials with what they cost; None where the best are not to be told."""
    signs = [-1.0 if metric.goal == "maximize" else 1.0 for metric in spec.metrics]
    costs = _costs(np.array([values for _, values in known], dtype=float) * signs)
    wanted = min(max(math.ceil(_SHARE * len(costs)), _FEWEST), len(costs) // 3)
    best = costs <= np.partition(costs, wanted - 1)[wanted - 1]
    if 2 * best.sum() > len(costs):
        return None
    pairs = enumerate(zip(known, costs, strict=True))
    whole = [(cost, at) for at, ((row, _), cost) in pairs if row.state == "complete"]
    return Results(
        params=[json.loads(row.params_json) for row, _ in known],
        costs=costs,
        best=best,
        first=min(whole)[1] if whole and len(spec.metrics) == 1 else None,
    )


def _costs(values: Floats) -> Floats:
    """Return one cost for each trial: of several metrics, by how many trials it is dominated.

    Args:
        values: to be minimised, shape (n, metrics).
    """
    if values.shape[1] == 1:
        return values[:, 0]
    no_worse = np.all(values[:, None, :] <= values[None, :, :], axis=2)
    better = np.any(values[:, None, :] < values[None, :, :], axis=2)
    return np.asarray((no_worse & better).sum(axis=0), dtype=float)


def _column(parameter: Parameter, results: Results) -> Column:
    axis = Axis(parameter)
    if parameter.values:
        at = np.array([position(axis, params) for params in results.params], dtype=float)
    else:
        at = _numbers(parameter, results.params)
    return Column(at=at, is_choice=axis.kind == "choice")


def _numbers(parameter: Parameter, trials: Sequence[Mapping[str, Any]]) -> Floats:
    """Return `position` of a number in all trials at once, shape (n,)."""
    at = np.array([params.get(parameter.name, math.nan) for params in trials], dtype=float)
    low, high = parameter.bounds
    if parameter.log:
        at, low, high = np.log(at), math.log(low), math.log(high)
    return np.asarray((at - low) / max(high - low, _TINY))


#: A range of a single value has no width.
_TINY = 1e-300
