"""Optuna's `median` and `patient`, which also say why they stop a trial.

The decisions are Optuna's. If a trial is stopped, the values compared are left on it as a mark.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

from tuner.proposals.pruners.marks import STOPPED


class MedianPruner(optuna.pruners.MedianPruner):
    """Stops a trial whose best value so far is worse than the median of the others at its step."""

    @override
    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether the trial must end; if so, leave a mark on it."""
        step = trial.last_step
        if step is None or not super().prune(study, trial):
            return False
        whole = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        there = [t.intermediate_values[step] for t in whole if step in t.intermediate_values]
        values = trial.intermediate_values.values()
        mark = {
            "pruner": "median",
            "step": step,
            "value": _best(study, values),
            "median": float(np.median(there)),
            "of": len(there),
        }
        _leave(study, trial, mark)
        return True


class PatientPruner(optuna.pruners.PatientPruner):
    """Stops a trial that has not improved for some reports.

    Args:
        patience: number of reports.
        min_delta: minimum improvement, 0 or more.
    """

    def __init__(self, patience: int, min_delta: float = 0.0) -> None:
        super().__init__(None, patience=patience, min_delta=min_delta)
        self._reports = patience + 1

    @override
    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether the trial must end; if so, leave a mark on it."""
        if not super().prune(study, trial):
            return False
        steps = sorted(trial.intermediate_values)
        values = trial.intermediate_values
        before = {values[step]: step for step in reversed(steps[: -self._reports])}
        best = _best(study, before)
        mark = {
            "pruner": "patient",
            "step": steps[-1],
            "value": best,
            "at": before[best],
            "reports": self._reports,
            "since": _best(study, [values[step] for step in steps[-self._reports :]]),
        }
        _leave(study, trial, mark)
        return True


def _best(study: optuna.Study, values: Any) -> float:
    return float(max(values) if study.direction == StudyDirection.MAXIMIZE else min(values))


def _leave(study: optuna.Study, trial: FrozenTrial, mark: dict[str, Any]) -> None:
    study._storage.set_trial_system_attr(trial._trial_id, STOPPED, mark)  # noqa: SLF001
