"""Which parameters decided how good the trials of a study are, and which best values lie at an end.

A trial that was stopped counts with its last report, as it does everywhere: as a rule that is worse
than what it would have come to, and it was stopped because others were better. Failed ones say
nothing of the value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from tuner.service.edges import Results, edges, position
from tuner.service.effects import Column, effect_shares
from tuner.service.views import Document
from tuner.space.axis import Axis
from tuner.space.parameter import Parameter
from tuner.spec import StudySpec, parse_spec
from tuner.storage import tables
from tuner.surrogate.columns import Floats

#: With fewer results nothing is said; of more, the newest are looked at.
LEAST, MOST = 10, 2000
#: The best of a study are this share of its trials, so many at least, and a third at most.
_SHARE, _FEWEST = 0.1, 5


def importance_document(connection: sa.Connection, study: sa.Row[Any]) -> Document:
    """Return which parameters matter in a study.

    Returns:
        `trials`: how many were looked at; `why`: why nothing is known, else empty; `best`: how many
        count as the best; `parameters`: the tuned ones, `name` and `share` (of 1; null while
        nothing is known), those that matter first, then in the order of the spec; `edges`: those
        whose best value lies at an end of its range, as `name`, `value`, `end` (low or high), and
        the range's `low` and `high`.
    """
    spec = parse_spec(json.loads(study.spec_json))
    tuned = [parameter for parameter in spec.space.parameters if parameter.kind != "fixed"]
    results, looked_at = _results(connection, study, spec)
    shares = None if results is None else _shares(tuned, results)
    why = ""
    if looked_at < LEAST:
        why = f"not known before {LEAST} trials have a result"
    elif results is None:
        why = "most trials came out the same"
    elif shares is None:
        why = "no parameter stands out of what chance does"
    by_name = shares or {}
    order = sorted(tuned, key=lambda parameter: -by_name.get(parameter.name, 0.0))
    return {
        "study": spec.name,
        "trials": looked_at,
        "why": why,
        "best": 0 if results is None else int(results.best.sum()),
        "parameters": [
            {"name": p.name, "share": None if shares is None else shares[p.name]} for p in order
        ],
        "edges": [] if results is None else edges(tuned, results),
    }


def _results(
    connection: sa.Connection, study: sa.Row[Any], spec: StudySpec
) -> tuple[Results | None, int]:
    """Return the trials with a value, None where the best are not to be told; and how many."""
    t = tables.trials
    query = (
        sa.select(t.c.number, t.c.state, t.c.objective, t.c.values_json, t.c.params_json)
        .where(t.c.study_id == study.id, t.c.state.in_(("complete", "pruned")))
        .order_by(t.c.number.desc())
        .limit(MOST)
    )
    found = [
        (row, _values(row, len(spec.metrics))) for row in reversed(connection.execute(query).all())
    ]
    known = [(row, values) for row, values in found if values is not None]
    if len(known) < LEAST:
        return None, len(known)
    signs = [-1.0 if metric.goal == "maximize" else 1.0 for metric in spec.metrics]
    costs = _costs(np.array([values for _, values in known], dtype=float) * signs)
    wanted = min(max(math.ceil(_SHARE * len(costs)), _FEWEST), len(costs) // 3)
    best = costs <= np.partition(costs, wanted - 1)[wanted - 1]
    if 2 * best.sum() > len(costs):
        return None, len(known)
    whole = [
        (cost, at)
        for at, ((row, _), cost) in enumerate(zip(known, costs, strict=True))
        if row.state == "complete"
    ]
    first = min(whole)[1] if whole and len(spec.metrics) == 1 else None
    return Results(
        costs=costs,
        params=[json.loads(row.params_json) for row, _ in known],
        best=best,
        first=first,
    ), len(known)


def _values(row: sa.Row[Any], metrics: int) -> list[float] | None:
    """Return one value for each metric; None: the trial has none."""
    values = json.loads(row.values_json) if row.values_json else []
    if metrics == 1:
        values = [row.objective]
    is_whole = len(values) == metrics and all(
        value is not None and math.isfinite(value) for value in values
    )
    return values if is_whole else None


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


def _shares(tuned: Sequence[Parameter], results: Results) -> dict[str, float] | None:
    """Return the share of each parameter, together 1; None: none is beyond chance."""
    shares = effect_shares([_column(parameter, results) for parameter in tuned], results.costs)
    names = [parameter.name for parameter in tuned]
    return None if shares is None else dict(zip(names, shares, strict=True))


def _column(parameter: Parameter, results: Results) -> Column:
    axis = Axis(parameter)
    at = np.array([position(axis, params) for params in results.params], dtype=float)
    return Column(at=at, is_choice=axis.kind == "choice")


class Importances:
    """The importances of studies, as their screens show them. Safe to use from several threads."""

    _KEPT = 100

    def __init__(self) -> None:
        self._kept: dict[int, tuple[tuple[Any, ...], Document]] = {}

    def of(self, connection: sa.Connection, study: sa.Row[Any]) -> Document:
        """Return which parameters matter in a study; counted anew when a result has come."""
        key = (study.revision, study.told)
        kept = self._kept.get(study.id)
        if kept is not None and kept[0] == key:
            return kept[1]
        document = importance_document(connection, study)
        if len(self._kept) >= self._KEPT:
            self._kept.clear()
        self._kept[study.id] = (key, document)
        return document
