"""A study in memory, as the samplers and pruners see it; rebuilt from the Storage at any time.

The mirror is an in-memory Optuna study of the same name and pruner, with the trials in number
order. Only the coordinator changes it. Samplers ask it instead of the database: asking costs no
commit, and a crash loses nothing that the database does not hold.

In one thing it differs from the database. A trial whose configuration is to blame for its failure
is FAIL there, which samplers skip: they would propose the same bad region for ever. Here it is
PRUNED with a constraint that it violates, which TPE ranks behind every other trial. The other
samplers learn from complete trials alone.
"""

from __future__ import annotations

import copy
import math
import threading
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from tuner.coordinator.causes import CAUSE_ATTR, is_infeasible

STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "fail": TrialState.FAIL,
}
#: Optuna's name of a constraint; a value above 0 violates it, this one more than any other.
_INFEASIBLE: dict[str, Any] = {"constraints:tuner": math.inf}


class Mirror:
    """The in-memory study. `lock` is held while a sampler reads it and while results enter it."""

    def __init__(
        self, name: str, goals: Sequence[Literal["maximize", "minimize"]], pruner: BasePruner
    ) -> None:
        self.lock = threading.RLock()
        self._blank_lock = threading.RLock()
        self.storage = InMemoryStorage()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            optuna.logging.set_verbosity(optuna.logging.WARNING)
            self.study = optuna.create_study(
                storage=self.storage, study_name=name, directions=list(goals), pruner=pruner
            )
        self._study_id = self.study._study_id  # noqa: SLF001 - the storage API asks for it
        #: How many results have entered: what a proposal was conditioned on.
        self.told = 0
        self._ids: list[int] = []
        self._blank: int | None = None

    def __len__(self) -> int:
        """Return the number of trials, without the blank one."""
        return len(self._ids)

    def load_trial(self, number: int, trial: FrozenTrial) -> None:
        """Append a trial that the Storage holds; its number must be the next one.

        Args:
            number: of the trial.
            trial: as the Storage holds it; the attribute `CAUSE_ATTR` says why it failed.
        """
        if number != len(self._ids):
            raise ValueError(f"expected trial {len(self._ids)}, got {number}")
        if _is_infeasible(trial.state, trial.system_attrs.get(CAUSE_ATTR)):
            trial = copy.copy(trial)
            trial.state, trial.system_attrs = TrialState.PRUNED, trial.system_attrs | _INFEASIBLE
        self._ids.append(self.storage.create_new_trial(self._study_id, trial))
        if trial.state.is_finished():
            self.told += 1

    def blank(self) -> int:
        """Return Optuna's id of the next trial: running, without parameters, not yet proposed."""
        with self._blank_lock:
            if self._blank is None:
                self._blank = self.storage.create_new_trial(self._study_id)
            return self._blank

    def blank_trial(self) -> FrozenTrial:
        """Return a copy of the blank trial, whose parameters the caller may fill in."""
        trial = copy.copy(self.storage.get_trial(self.blank()))
        trial.params = {}
        trial.distributions = {}
        return trial

    def fresh_study(self, sampler: BaseSampler) -> optuna.Study:
        """Return a view of the study for one proposal: a `Study` caches the trials it has read."""
        return optuna.load_study(
            study_name=self.study.study_name,
            storage=self.storage,
            sampler=sampler,
            pruner=self.study.pruner,
        )

    def fill_blank(self, params: Mapping[str, tuple[float, BaseDistribution]]) -> int:
        """Give the blank trial its parameters and return its number.

        Does not wait for `lock`: a sampler that is at work has read what it needs.
        """
        with self._blank_lock:
            trial_id = self.blank()
            for name, (value, distribution) in params.items():
                self.storage.set_trial_param(trial_id, name, value, distribution)
            self._ids.append(trial_id)
            self._blank = None
            return len(self._ids) - 1

    def tell(
        self,
        number: int,
        state: TrialState,
        values: Sequence[float],
        curve: Mapping[int, float],
        *,
        cause: str | None = None,
    ) -> None:
        """Enter a trial's result; a second time it changes nothing.

        Args:
            number: of the trial.
            state: a finished one.
            values: one for each metric, or none.
            curve: reported values by step.
            cause: why it failed, if it did.
        """
        with self.lock:
            trial_id = self._ids[number]
            trial = self.storage.get_trial(trial_id)
            if trial.state.is_finished():
                return
            for step, value in curve.items():
                if step not in trial.intermediate_values:
                    self.storage.set_trial_intermediate_value(trial_id, step, value)
            attrs: dict[str, Any] = {} if cause is None else {CAUSE_ATTR: cause}
            if _is_infeasible(state, cause):
                state, attrs = TrialState.PRUNED, attrs | _INFEASIBLE
            for key, attr in attrs.items():
                self.storage.set_trial_system_attr(trial_id, key, attr)
            self.storage.set_trial_state_values(trial_id, state, list(values) or None)
            self.told += 1

    def report(self, number: int, step: int, value: float) -> bool:
        """Enter a report of a running trial; return whether the pruner gives it up."""
        trial_id = self._ids[number]
        if self.storage.get_trial(trial_id).state.is_finished():
            return False
        self.storage.set_trial_intermediate_value(trial_id, step, value)
        pruner = self.study.pruner
        return pruner.prune(self.study, self.storage.get_trial(trial_id))

    def trial_attrs(self, number: int) -> dict[str, Any]:
        """Return the system attributes of a trial."""
        return dict(self.storage.get_trial(self._ids[number]).system_attrs)

    def blank_attrs(self) -> dict[str, Any]:
        """Return the system attributes that the sampler gave to the blank trial."""
        return dict(self.storage.get_trial(self.blank()).system_attrs)

    def study_attrs(self) -> dict[str, Any]:
        """Return the study's system attributes."""
        return dict(self.storage.get_study_system_attrs(self._study_id))

    def load_study_attrs(self, attrs: Mapping[str, Any]) -> None:
        """Set the study's system attributes as the Storage holds them."""
        for key, value in attrs.items():
            self.storage.set_study_system_attr(self._study_id, key, value)

    def pending(self) -> list[int]:
        """Return the numbers of the trials that are proposed and have no result."""
        trials = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [t.number for t in trials if t.number < len(self._ids)]


def _is_infeasible(state: TrialState, cause: str | None) -> bool:
    return state == TrialState.FAIL and is_infeasible(cause)
