"""The trials of a study that insights are computed from."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import sqlalchemy as sa
from optuna.trial import FrozenTrial, TrialState

from tuner.samplers.bayesian.dialect import Dialect, declared
from tuner.space.optuna import to_optuna
from tuner.space.parameter import Parameter
from tuner.spec import StudySpec
from tuner.storage import tables
from tuner.surrogate.columns import Flags, Floats
from tuner.trials.specs import read_spec

#: With fewer results nothing is said; of more, the newest are looked at.
LEAST, MOST = 10, 5000


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Trials with a value for each metric, in number order; n of them, and m metrics.

    Attributes:
        spec: of the study.
        rows: of the trials.
        params: of the trials.
        values: as the study's owner knows them, shape (n, m).
        whole: which trials were not stopped early, shape (n,).
        total: how many trials the study has, of any state.
        pruned: how many of them were stopped early.
    """

    spec: StudySpec
    rows: Sequence[sa.Row[Any]]
    params: Sequence[dict[str, Any]]
    values: Floats
    whole: Flags
    total: int
    pruned: int

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def tuned(self) -> list[Parameter]:
        """The parameters that have more than one value."""
        return [parameter for parameter in self.spec.space.parameters if parameter.size != 1]

    @property
    def costs(self) -> Floats:
        """The values so that lower ones are better, shape (n, m)."""
        signs = [-1.0 if metric.goal == "maximize" else 1.0 for metric in self.spec.metrics]
        costs: Floats = self.values * np.array(signs)
        return costs

    def frozen(self) -> list[FrozenTrial]:
        """Return the whole trials as Optuna takes them, to be minimised."""
        dialect, costs = declared(self.spec.space), self.costs
        return [
            _frozen(dialect, self.params[at], costs[at].tolist())
            for at in np.flatnonzero(self.whole).tolist()
        ]


def read_sample(connection: sa.Connection, study: sa.Row[Any]) -> Sample:
    """Return the trials of a study."""
    t = tables.trials
    spec = read_spec(study.spec_json)
    columns = (t.c.number, t.c.state, t.c.objective, t.c.values_json, t.c.params_json, t.c.told)
    query: sa.Select[Any] = (
        sa.select(*columns)
        .where(t.c.study_id == study.id, t.c.state.in_(("complete", "pruned")))
        .order_by(t.c.number.desc())
        .limit(MOST)
    )
    counts = (
        sa.select(t.c.state, sa.func.count()).where(t.c.study_id == study.id).group_by(t.c.state)
    )
    numbers = {state: int(count) for state, count in connection.execute(counts)}
    found = [(row, _values(row, len(spec.metrics))) for row in connection.execute(query)]
    known = [(row, values) for row, values in reversed(found) if values]
    return Sample(
        spec=spec,
        rows=[row for row, _ in known],
        params=[json.loads(row.params_json) for row, _ in known],
        values=np.array([values for _, values in known], dtype=float).reshape(
            len(known), len(spec.metrics)
        ),
        whole=np.array([row.state == "complete" for row, _ in known], dtype=bool),
        total=sum(numbers.values()),
        pruned=numbers.get("pruned", 0),
    )


def _values(row: sa.Row[Any], metrics: int) -> list[float]:
    """Return one value for each metric; empty: the trial has none."""
    values = json.loads(row.values_json) if row.values_json else []
    if metrics == 1:
        values = [row.objective]
    is_whole = len(values) == metrics and all(
        value is not None and math.isfinite(value) for value in values
    )
    return [float(value) for value in values] if is_whole else []


def _frozen(dialect: Dialect, params: dict[str, Any], costs: list[float]) -> FrozenTrial:
    space = dialect.encoding.space
    theirs = {
        name: to_optuna(space[name], value)
        for name, value in params.items()
        if name in dialect.distributions
    }
    return optuna.trial.create_trial(
        state=TrialState.COMPLETE,
        values=costs,
        params=theirs,
        distributions={name: dialect.distributions[name] for name in theirs},
    )
