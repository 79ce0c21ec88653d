"""The trials of a study that insights are computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import sqlalchemy as sa
from optuna.trial import FrozenTrial, TrialState

from tuner.samplers.bayesian.space.adapter import OptunaSpaceAdapter, declared
from tuner.space.optuna import to_optuna
from tuner.space.parameter import Parameter
from tuner.spec import StudySpec
from tuner.storage import tables
from tuner.surrogate.columns import Flags, Floats
from tuner.trials.specs import read_spec
from tuner.trials.store.listings.results import TrialResult, read_results
from tuner.trials.study import Study

#: Minimum number of results for insights, and the maximum used, the newest ones.
LEAST, MOST = 10, 5000


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Trials with a value for each metric, in number order: n trials, m metrics.

    Attributes:
        trials: their results.
        values: in the metrics' units, shape (n, m).
        whole: which trials were not stopped early, shape (n,).
        total: number of all trials of the study, in any state.
        pruned: how many of them were stopped early.
    """

    spec: StudySpec
    trials: Sequence[TrialResult]
    params: Sequence[dict[str, Any]]
    values: Floats
    whole: Flags
    total: int
    pruned: int

    def __len__(self) -> int:
        return len(self.trials)

    @property
    def tuned(self) -> list[Parameter]:
        """The parameters that have more than one value."""
        return [parameter for parameter in self.spec.space.parameters if parameter.size != 1]

    @property
    def costs(self) -> Floats:
        """The values with signs such that lower ones are better, shape (n, m)."""
        signs = [-1.0 if metric.goal == "maximize" else 1.0 for metric in self.spec.metrics]
        costs: Floats = self.values * np.array(signs)
        return costs

    def frozen(self) -> list[FrozenTrial]:
        """Return the complete trials as Optuna's, to be minimized."""
        dialect, costs = declared(self.spec.space), self.costs
        return [
            _frozen(dialect, self.params[at], costs[at].tolist())
            for at in np.flatnonzero(self.whole).tolist()
        ]


def read_sample(connection: sa.Connection, study: Study) -> Sample:
    """Return the trials of a study."""
    t = tables.trials
    spec = read_spec(study.spec_json)
    trials = read_results(connection, study.id, metrics=len(spec.metrics), most=MOST)
    counts = (
        sa.select(t.c.state, sa.func.count()).where(t.c.study_id == study.id).group_by(t.c.state)
    )
    numbers = {state: int(count) for state, count in connection.execute(counts)}
    return Sample(
        spec=spec,
        trials=trials,
        params=[trial.params for trial in trials],
        values=np.array([trial.values for trial in trials], dtype=float).reshape(
            len(trials), len(spec.metrics)
        ),
        whole=np.array([trial.is_whole for trial in trials], dtype=bool),
        total=sum(numbers.values()),
        pruned=numbers.get("pruned", 0),
    )


def _frozen(dialect: OptunaSpaceAdapter, params: dict[str, Any], costs: list[float]) -> FrozenTrial:
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
