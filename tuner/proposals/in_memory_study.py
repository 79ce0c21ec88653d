"""A study in memory, as seen by samplers and pruners; rebuilt from the Storage at any time.

It is an Optuna study with the same name and pruner, and the trials in number order. Only the
coordinator changes it. Pruners read it instead of the database, and samplers see snapshots of it:
reading needs no commit, and a crash loses nothing that the database does not have.

It differs from the database in one respect. A trial whose configuration is to blame for its failure
is FAIL there, which samplers ignore: they would propose the same bad region forever. Here it is
PRUNED with a violated constraint, which TPE ranks behind every other trial. The other samplers
learn only from complete trials. A forgotten failure (its code was repaired since) is FAIL for
samplers too.

A report that is not a finite number is not entered: it has no rank, so pruners and samplers see the
trial as if that step had not been reported. The database keeps it.
"""

from __future__ import annotations

import copy
import math
import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from tuner.proposals.pruners.halving import HalvingPruner
from tuner.proposals.pruners.marks import HALVED, MARK, STOPPED
from tuner.proposals.study_snapshot import StudySnapshot, running_trial
from tuner.samplers.marks import told_attrs
from tuner.trials.causes import CAUSE_ATTR, is_infeasible

#: Prefixes of the attributes that pruners keep on a trial: that they condemned it; in studies of
#: earlier releases also which rungs it has completed.
LEFT_BY_PRUNERS = ("completed_rung_", HALVED, MARK, STOPPED)
#: Optuna's name of a constraint; a value above 0 violates it, this one the most.
_INFEASIBLE: dict[str, Any] = {"constraints:tuner": math.inf}


class InMemoryStudy:
    """The in-memory study. `lock` is held while a result is entered and while a snapshot is taken.

    Args:
        goals: of its metrics.
        pruner: judges the reports.
        all_curves: whether complete trials keep their curves, for pruners that compare with them;
            pruned trials always do.
    """

    def __init__(
        self,
        name: str,
        goals: Sequence[Literal["maximize", "minimize"]],
        pruner: BasePruner,
        *,
        all_curves: bool = True,
    ) -> None:
        self.lock = threading.RLock()
        self.all_curves = all_curves
        self.storage = InMemoryStorage()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            optuna.logging.set_verbosity(optuna.logging.WARNING)
            self.study = optuna.create_study(
                storage=self.storage, study_name=name, directions=list(goals), pruner=pruner
            )
        self._study_id = self.study._study_id  # noqa: SLF001 - the storage API asks for it
        #: Number of results told, on which a proposal is conditioned.
        self.told = 0
        #: Numbers of failed trials that no longer count against their configurations.
        self._forgotten: set[int] = set()
        self._ids: list[int] = []
        self._running: set[int] = set()

    def __len__(self) -> int:
        """Return the number of trials."""
        return len(self._ids)

    def load_trial(self, number: int, trial: FrozenTrial) -> None:
        """Append a trial from the Storage; its number must be the next one.

        Args:
            trial: as stored; the attribute `CAUSE_ATTR` says why it failed.
        """
        if number != len(self._ids):
            raise ValueError(f"expected trial {len(self._ids)}, got {number}")
        self._append(as_sampler_sees(trial, all_curves=self.all_curves))
        if trial.state.is_finished():
            self.told += 1

    def add(
        self,
        params: Mapping[str, tuple[float, BaseDistribution]],
        attrs: Mapping[str, Any] | None = None,
    ) -> int:
        """Append a running trial and return its number.

        Args:
            params: internal representation and distribution by name.
            attrs: what its sampler keeps on it.
        """
        trial = running_trial(len(self._ids))
        for name, (value, distribution) in params.items():
            trial.params[name] = distribution.to_external_repr(value)
            trial.distributions[name] = distribution
        trial.system_attrs = dict(attrs or {})
        self._append(trial)
        return len(self._ids) - 1

    def _append(self, trial: FrozenTrial) -> None:
        with self.lock:
            self._ids.append(self.storage.create_new_trial(self._study_id, trial))
            if not trial.state.is_finished():
                self._running.add(len(self._ids) - 1)

    def snapshot(self) -> StudySnapshot:
        """Return the study as it is now, for one proposal."""
        with self.lock:
            trials = self.storage.get_all_trials(self._study_id, deepcopy=False)
            pending = self.pending()
            told = self.told
            attrs = self.study_attrs()
            forgotten = [n for n in sorted(self._forgotten) if is_lesson(trials[n])]
            pruner = self.study.pruner
            brackets = pruner.brackets if isinstance(pruner, HalvingPruner) else None
        for number in forgotten:
            trials[number] = as_forgotten(trials[number])
        for number in pending:
            # Reports arrive at any time: what a sampler saw of them could not be reproduced later.
            trials[number] = _without_reports(trials[number])
        return StudySnapshot(
            study=self.study.study_name,
            directions=tuple(self.study.directions),
            trials=trials,
            told=told,
            pending=tuple(pending),
            forgotten=tuple(forgotten),
            attrs=attrs,
            all_curves=self.all_curves,
            brackets=brackets,
        )

    def tell(
        self,
        number: int,
        state: TrialState,
        values: Sequence[float],
        curve: Mapping[int, float],
        *,
        cause: str | None = None,
        took: Mapping[str, float | None] | None = None,
    ) -> None:
        """Enter a trial's result; idempotent.

        Args:
            state: a finished one.
            values: one per metric, or none.
            curve: all its reported values by step, regardless of what `report` has entered.
            cause: why it failed, if it did.
            took: its duration, if samplers need it.
        """
        with self.lock:
            trial_id = self._ids[number]
            trial = copy.copy(self.storage.get_trial(trial_id))
            if trial.state.is_finished():
                return
            # An attempt that started over has removed steps, which no public method does.
            trial.intermediate_values = numbers_of(curve) if self._keeps(state) else {}
            self.storage._set_trial(trial_id, trial)  # noqa: SLF001
            attrs = told_attrs(cause, took)
            if _is_infeasible(state, cause):
                state, attrs = TrialState.PRUNED, attrs | _INFEASIBLE
            for key, attr in attrs.items():
                self.storage.set_trial_system_attr(trial_id, key, attr)
            self.storage.set_trial_state_values(trial_id, state, list(values) or None)
            self._running.discard(number)
            self.told += 1

    def forget(self, numbers: Iterable[int]) -> None:
        """Make samplers ignore failures of these trials, including future ones, from now on."""
        with self.lock:
            self._forgotten.update(numbers)

    def _keeps(self, state: TrialState) -> bool:
        return self.all_curves or state == TrialState.PRUNED

    def report(self, number: int, step: int, value: float) -> bool:
        """Enter a report of a running trial; return whether the pruner stops it."""
        trial_id = self._ids[number]
        if self.storage.get_trial(trial_id).state.is_finished():
            return False
        if not math.isfinite(value):
            return False
        self.storage.set_trial_intermediate_value(trial_id, step, value)
        pruner = self.study.pruner
        return pruner.prune(self.study, self.storage.get_trial(trial_id))

    def take_back(self, number: int, step: int) -> None:
        """Remove a running trial's reports from `step` on: a later attempt starts there."""
        with self.lock:
            trial_id = self._ids[number]
            trial = copy.copy(self.storage.get_trial(trial_id))
            if trial.state.is_finished():
                return
            values = trial.intermediate_values
            trial.intermediate_values = {at: values[at] for at in values if at < step}
            self.storage._set_trial(trial_id, trial)  # noqa: SLF001 - no public method does it

    def trial_attrs(self, number: int) -> dict[str, Any]:
        """Return the system attributes of a trial."""
        return dict(self.storage.get_trial(self._ids[number]).system_attrs)

    def study_attrs(self) -> dict[str, Any]:
        """Return the study's system attributes."""
        return dict(self.storage.get_study_system_attrs(self._study_id))

    def load_study_attrs(self, attrs: Mapping[str, Any]) -> None:
        """Set system attributes of the study, as stored or as part of a proposal."""
        for key, value in attrs.items():
            self.storage.set_study_system_attr(self._study_id, key, value)

    def pending(self) -> list[int]:
        """Return the numbers of the proposed trials without a result."""
        return sorted(self._running)


def as_sampler_sees(trial: FrozenTrial, *, all_curves: bool) -> FrozenTrial:
    """Return a stored trial in the form used in the in-memory study; see `InMemoryStudy`."""
    seen = copy.copy(trial)
    seen.intermediate_values = numbers_of(trial.intermediate_values)
    is_ended = trial.state.is_finished()
    if is_ended and trial.state != TrialState.PRUNED and not all_curves:
        seen.intermediate_values = {}
    if _is_infeasible(trial.state, trial.system_attrs.get(CAUSE_ATTR)):
        seen.state, seen.system_attrs = TrialState.PRUNED, trial.system_attrs | _INFEASIBLE
    return seen


def numbers_of(curve: Mapping[int, float]) -> dict[int, float]:
    """Return the reports that are finite numbers."""
    return {step: value for step, value in curve.items() if math.isfinite(value)}


def is_lesson(trial: FrozenTrial) -> bool:
    """Whether a trial, as seen by samplers, indicates that its configuration made it fail."""
    return trial.state == TrialState.PRUNED and _INFEASIBLE.items() <= trial.system_attrs.items()


def as_forgotten(trial: FrozenTrial) -> FrozenTrial:
    """Return a trial that `is_lesson` as one that samplers ignore."""
    seen = copy.copy(trial)
    seen.state = TrialState.FAIL
    seen.system_attrs = {k: v for k, v in trial.system_attrs.items() if k not in _INFEASIBLE}
    return seen


def _without_reports(trial: FrozenTrial) -> FrozenTrial:
    seen = copy.copy(trial)
    seen.intermediate_values = {}
    seen.system_attrs = {
        key: value
        for key, value in trial.system_attrs.items()
        if not key.startswith(LEFT_BY_PRUNERS)
    }
    return seen


def _is_infeasible(state: TrialState, cause: str | None) -> bool:
    return state == TrialState.FAIL and is_infeasible(cause)
