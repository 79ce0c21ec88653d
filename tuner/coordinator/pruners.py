"""The pruners that a spec may name. To add one: a function here and a line in `PRUNERS`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypedDict

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, NopPruner

from tuner.coordinator.history_pruner import HistoryPruner
from tuner.errors import UnknownNameError


def _asha(options: Mapping[str, Any]) -> BasePruner:
    # `auto` would wait for a completed trial before it gives up the first one.
    return optuna.pruners.SuccessiveHalvingPruner(
        **{"min_resource": 1, "reduction_factor": 3, **options}
    )


def _hyperband(options: Mapping[str, Any]) -> BasePruner:
    return optuna.pruners.HyperbandPruner(**options)


def _median(options: Mapping[str, Any]) -> BasePruner:
    names = {"startup_trials": "n_startup_trials", "warmup_steps": "n_warmup_steps"}
    return optuna.pruners.MedianPruner(**{names[key]: value for key, value in options.items()})


def _patient(options: Mapping[str, Any]) -> BasePruner:
    return optuna.pruners.PatientPruner(None, **{"patience": 3, **options})


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


class Brackets(TypedDict):
    """How Hyperband has divided the trials; the names are its options."""

    min_resource: int
    max_resource: int
    reduction_factor: int


def brackets_of(pruner: BasePruner) -> Brackets | None:
    """Return the brackets of a pruner, None where there are none (yet).

    Without `max_resource`, Hyperband makes them at the first report after a trial is complete, and
    after a restart again: so they are not a matter of the results alone.
    """
    if not isinstance(pruner, HyperbandPruner) or not pruner._pruners:  # noqa: SLF001
        return None
    return Brackets(
        min_resource=pruner._min_resource,  # noqa: SLF001
        max_resource=int(pruner._max_resource),  # noqa: SLF001
        reduction_factor=pruner._reduction_factor,  # noqa: SLF001
    )


def bracket_pruner(brackets: Brackets | None) -> BasePruner:
    """Return a pruner that divides the trials of a study so, and has judged none."""
    if brackets is None:
        return NopPruner()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        pruner = HyperbandPruner(**brackets)
    # With `max_resource` given it asks the study nothing.
    pruner._try_initialization(None)  # type: ignore[arg-type]  # noqa: SLF001
    return pruner
