"""Trials of a study that other processes, or this one before a restart, have executed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus


def trial_id(number: int, max_trials: int | None, known: Iterable[str]) -> str:
    """Return what KerasTuner calls a trial: its number, as its own oracles write it.

    Args:
        number: in the study.
        max_trials: for the number of digits.
        known: what trials are called already: one of this number keeps its name.
    """
    for one in known:
        if one.isdigit() and int(one) == number:
            return one
    return str(number).zfill(len(str(max_trials)))


def make_trial(name: str, row: Mapping[str, Any], hyperparameters: Any, objective: Any) -> Any:
    """Return a complete trial as KerasTuner has it.

    Args:
        name: its id.
        row: what the service's `best` says of it.
        hyperparameters: its own, with their values.
        objective: KerasTuner's.
    """
    trial = Trial(hyperparameters, trial_id=name, status=TrialStatus.COMPLETED)
    trial.score = float(row["objective"])
    trial.metrics.register(objective.name, direction=objective.direction)
    for key, value in {**row["metrics"], objective.name: trial.score}.items():
        trial.metrics.update(key, value)
    return trial
