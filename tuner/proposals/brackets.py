"""Hyperband's division of a study's trials; samplers see only the new trial's bracket."""

from __future__ import annotations

import warnings
from typing import TypedDict

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, NopPruner
from optuna.trial import FrozenTrial


class Brackets(TypedDict):
    """The parameters of the division, named like Hyperband's options."""

    min_resource: int
    max_resource: int
    reduction_factor: int


def bracket_pruner(brackets: Brackets | None) -> BasePruner:
    """Return a pruner that divides the trials of a study this way, and has judged none."""
    return NopPruner() if brackets is None else _divide(brackets)


def _divide(brackets: Brackets) -> HyperbandPruner:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        pruner = HyperbandPruner(**brackets)
    # If `max_resource` is given it reads nothing from the study.
    pruner._try_initialization(None)  # type: ignore[arg-type]  # noqa: SLF001
    return pruner


class Divider:
    """Determines each trial's bracket, for Optuna's samplers to use."""

    def __init__(self, brackets: Brackets) -> None:
        self.brackets = brackets
        self._pruner = _divide(brackets)

    def bracket(self, study: optuna.Study, trial: FrozenTrial) -> int:
        """Return the number of a trial's bracket, from 0 (the one that is judged first)."""
        return int(self._pruner._get_bracket_id(study, trial))  # noqa: SLF001
