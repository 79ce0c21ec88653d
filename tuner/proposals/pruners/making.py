"""Makes the pruners that a spec may name; `tuner.registry.PRUNERS` is the table of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.pruners import BasePruner

from tuner.errors import SetupError
from tuner.proposals.pruners.by_history import HistoryPruner
from tuner.proposals.pruners.halving import HalvingPruner
from tuner.proposals.pruners.plain import MedianPruner, PatientPruner
from tuner.registry import PRUNERS


def make_asha(options: Mapping[str, Any]) -> BasePruner:
    """Return one that keeps a fraction of the trials at each rung, as results come in."""
    return HalvingPruner(**options)


def make_hyperband(options: Mapping[str, Any]) -> BasePruner:
    """Return one that does so in several brackets, which begin at different rungs."""
    return HalvingPruner(**options, is_hyperband=True)


def make_median(options: Mapping[str, Any]) -> BasePruner:
    """Return one that stops trials worse than the median at the same step."""
    names = {"startup_trials": "n_startup_trials", "warmup_steps": "n_warmup_steps"}
    return MedianPruner(**{names[key]: value for key, value in options.items()})


def make_patient(options: Mapping[str, Any]) -> BasePruner:
    """Return one that stops trials without an improvement for some steps."""
    return PatientPruner(**{"patience": 3, **options})


def make_history(options: Mapping[str, Any]) -> BasePruner:
    """Return one that predicts a trial's end from earlier curves."""
    return HistoryPruner(**options)


def make_none(_options: Mapping[str, Any]) -> BasePruner:
    """Return one that stops nothing."""
    return optuna.pruners.NopPruner()


def make_pruner(name: str, options: Mapping[str, Any]) -> BasePruner:
    """Return the pruner called `name`.

    Raises:
        UnknownNameError: there is no such pruner.
        SetupError: the package that provides it cannot be used, or makes something else.
    """
    make = PRUNERS.make(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        pruner = make(options)
    if not isinstance(pruner, BasePruner):
        made, by = type(pruner).__name__, PRUNERS.package_of(name) or "Tuner"
        raise SetupError(f"the pruner {name!r} of {by} makes no Optuna pruner, but: {made}")
    return pruner
