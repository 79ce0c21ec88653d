"""The study at one moment, as seen by a sampler, and what the sampler writes.

A proposal depends only on its snapshot, its seeds and its prior, so it can be reproduced from the
record of the snapshot (`replaying.py`). What a sampler writes while it works (the position of QMC
in its sequence, the generation of NSGA-II) stays in a `SnapshotStorage` and becomes part of the
proposal: a discarded proposal leaves nothing behind.
"""

from __future__ import annotations

import datetime
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

from tuner.proposals.brackets import Brackets, bracket_pruner

_STUDY_ID = 0
#: A snapshot has no time: trials created for it have a constant one.
_NO_TIME = datetime.datetime(2000, 1, 1)  # noqa: DTZ001 - Optuna's times are naive UTC


def running_trial(number: int) -> FrozenTrial:
    """Return a newly created trial without parameters."""
    return FrozenTrial(
        trial_id=number,
        number=number,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=_NO_TIME,
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )


@dataclass(frozen=True, kw_only=True)
class StudySnapshot:
    """What was known when a trial was proposed, without the trial itself."""

    study: str
    directions: tuple[StudyDirection, ...]
    #: By number, from 0; Optuna's ids are the same numbers. Running trials have no reports.
    trials: Sequence[FrozenTrial]
    #: Number of results told.
    told: int
    #: Numbers of the trials without a result.
    pending: tuple[int, ...]
    #: The study's system attributes.
    attrs: Mapping[str, Any]
    #: Numbers of the failed trials to be ignored although their configuration caused the failure.
    forgotten: tuple[int, ...] = ()
    #: Whether complete trials have their curves, or only pruned ones.
    all_curves: bool = True
    #: Hyperband's: a sampler sees only the trials in the new trial's bracket.
    brackets: Brackets | None = None

    @property
    def number(self) -> int:
        """The number that the proposed trial would get."""
        return len(self.trials)


class SnapshotStorage(BaseStorage):
    """A snapshot as an Optuna storage, including the new trial; writes are kept in this object.

    Args:
        snapshot: is not modified.
    """

    def __init__(self, snapshot: StudySnapshot) -> None:
        self.snapshot = snapshot
        #: Attributes written to the study and to the new trial.
        self.study_attrs: dict[str, Any] = {}
        self.trial_attrs: dict[str, Any] = {}

    def open_study(self, sampler: BaseSampler) -> optuna.Study:
        """Return a view for one call of a sampler: a `Study` caches the trials it has read."""
        return optuna.load_study(
            study_name=self.snapshot.study,
            storage=self,
            sampler=sampler,
            pruner=bracket_pruner(self.snapshot.brackets),
        )

    def new_trial(self) -> FrozenTrial:
        """Return a copy of the new trial, whose parameters the caller may fill in."""
        trial = running_trial(self.snapshot.number)
        trial.system_attrs = dict(self.trial_attrs)
        return trial

    @override
    def get_study_id_from_name(self, study_name: str) -> int:
        return _STUDY_ID

    @override
    def get_study_name_from_id(self, study_id: int) -> str:
        return self.snapshot.study

    @override
    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return list(self.snapshot.directions)

    @override
    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return {}

    @override
    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return {**self.snapshot.attrs, **self.study_attrs}

    @override
    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self.study_attrs[key] = value

    @override
    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        if trial_id != self.snapshot.number:
            _refuse()
        self.trial_attrs[key] = value

    @override
    def get_trial(self, trial_id: int) -> FrozenTrial:
        if trial_id == self.snapshot.number:
            return self.new_trial()
        return self.snapshot.trials[trial_id]

    @override
    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        # Not copied: modifying a trial would violate Optuna's contract with samplers.
        trials = [*self.snapshot.trials, self.new_trial()]
        return trials if states is None else [t for t in trials if t.state in states]

    @override
    def get_all_studies(self) -> list[FrozenStudy]:
        return [
            FrozenStudy(
                study_name=self.snapshot.study,
                direction=None,
                directions=list(self.snapshot.directions),
                user_attrs={},
                system_attrs=self.get_study_system_attrs(_STUDY_ID),
                study_id=_STUDY_ID,
            )
        ]

    @override
    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> int:
        _refuse()

    @override
    def delete_study(self, study_id: int) -> None:
        _refuse()

    @override
    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        _refuse()

    @override
    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        _refuse()

    @override
    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        _refuse()

    @override
    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        _refuse()

    @override
    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        _refuse()

    @override
    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        _refuse()


def _refuse() -> NoReturn:
    raise NotImplementedError("a sampler writes attributes of the study and of its own trial only")
