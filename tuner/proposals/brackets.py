"""How Hyperband divides the trials of a study; samplers see only those of the new one's bracket."""

from __future__ import annotations

import warnings
from typing import TypedDict

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, NopPruner
from optuna.trial import FrozenTrial


class Brackets(TypedDict):
    """The division; the names are Hyperband's options."""

    min_resource: int
    max_resource: int
    reduction_factor: int


def bracket_pruner(brackets: Brackets | None) -> BasePruner:
    """Return a pruner that divides the trials of a study so, and has judged none."""
    return NopPruner() if brackets is None else _divide(brackets)


def _divide(brackets: Brackets) -> HyperbandPruner:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        pruner = HyperbandPruner(**brackets)
    # With `max_resource` given it asks the study nothing.
    pruner._try_initialization(None)  # type: ignore[arg-type]  # noqa: SLF001
    return pruner


class Divider:
    """Says of each trial in which bracket it is, as Optuna's samplers find it."""

    def __init__(self, brackets: Brackets) -> None:
        self.brackets = brackets
        self._pruner = _divide(brackets)

    def bracket(self, study: optuna.Study, trial: FrozenTrial) -> int:
        """Return the number of a trial's bracket, from 0 (the one that is judged first)."""
        return int(self._pruner._get_bracket_id(study, trial))  # noqa: SLF001
