"""The trials of a study that have a value for each metric."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuner.storage import tables
from tuner.trials.states import TrialState

_t = tables.trials


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialResult:
    """The result of a trial.

    Attributes:
        is_whole: whether it ran to its end; otherwise it was pruned, and `values` are its last
            ones.
        values: one finite number per metric.
        params_json: its configuration.
    """

    number: int
    is_whole: bool
    values: list[float]
    params_json: str

    @property
    def params(self) -> dict[str, Any]:
        """The configuration, parsed anew at each call."""
        params: dict[str, Any] = json.loads(self.params_json)
        return params


def read_results(
    connection: sa.Connection, study_id: int, *, metrics: int, most: int
) -> list[TrialResult]:
    """Return the newest complete and pruned trials that have all values, in number order.

    Args:
        metrics: number of metrics.
        most: maximum number of trials examined.
    """
    ended = (TrialState.COMPLETE.value, TrialState.PRUNED.value)
    query = (
        sa.select(_t.c.number, _t.c.state, _t.c.objective, _t.c.values_json, _t.c.params_json)
        .where(_t.c.study_id == study_id, _t.c.state.in_(ended))
        .order_by(_t.c.number.desc())
        .limit(most)
    )
    found = []
    for number, state, objective, values_json, params_json in connection.execute(query):
        values = _values(objective, values_json, metrics)
        if values is not None:
            is_whole = state == TrialState.COMPLETE.value
            found.append(
                TrialResult(
                    number=number, is_whole=is_whole, values=values, params_json=params_json
                )
            )
    return found[::-1]


def _values(objective: float | None, values_json: str | None, metrics: int) -> list[float] | None:
    """Return one value per metric; None if the trial lacks them."""
    values = json.loads(values_json) if values_json else []
    if metrics == 1:
        values = [objective]
    is_whole = len(values) == metrics and all(
        value is not None and math.isfinite(value) for value in values
    )
    return [float(value) for value in values] if is_whole else None
