"""The pruners that a spec may name. To add one: a function here and a line in `PRUNERS`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.pruners import BasePruner

from tuner.coordinator.halving_pruner import HalvingPruner
from tuner.coordinator.history_pruner import HistoryPruner
from tuner.coordinator.plain_pruners import MedianPruner, PatientPruner
from tuner.errors import UnknownNameError


def _asha(options: Mapping[str, Any]) -> BasePruner:
    return HalvingPruner(**options)


def _hyperband(options: Mapping[str, Any]) -> BasePruner:
    return HalvingPruner(**options, is_hyperband=True)


def _median(options: Mapping[str, Any]) -> BasePruner:
    names = {"startup_trials": "n_startup_trials", "warmup_steps": "n_warmup_steps"}
    return MedianPruner(**{names[key]: value for key, value in options.items()})


def _patient(options: Mapping[str, Any]) -> BasePruner:
    return PatientPruner(**{"patience": 3, **options})


def _history(options: Mapping[str, Any]) -> BasePruner:
    return HistoryPruner(**options)


def _none(_options: Mapping[str, Any]) -> BasePruner:
    return optuna.pruners.NopPruner()


PRUNERS: dict[str, Callable[[Mapping[str, Any]], BasePruner]] = {
    "asha": _asha,
    "hyperband": _hyperband,
    "median": _median,
    "patient": _patient,
    "history": _history,
    "none": _none,
}


def make_pruner(name: str, options: Mapping[str, Any]) -> BasePruner:
    """Return the pruner called `name`.

    Raises:
        UnknownNameError: there is no such pruner.
    """
    try:
        make = PRUNERS[name]
    except KeyError:
        raise UnknownNameError("pruner", name, PRUNERS) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return make(options)
