"""Trials of a study that other processes, or this one before a restart, have executed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus

from tuner.keras.spaces import SpaceMap


def trial_id(number: int, max_trials: int | None, known: Iterable[str]) -> str:
    """Return KerasTuner's id of a trial: its number, in the format of KerasTuner's own oracles.

    Args:
        number: the trial's number in the study.
        max_trials: determines the number of digits.
        known: existing ids: a trial that has one keeps it.
    """
    for one in known:
        if one.isdigit() and int(one) == number:
            return one
    return str(number).zfill(len(str(max_trials)))


def make_trials(
    rows: Iterable[Mapping[str, Any]],
    space: SpaceMap,
    template: Any,
    objective: Any,
    name_of: Callable[[int], str],
    known: Collection[str],
) -> list[Any]:
    """Return complete trials as KerasTuner's objects.

    Args:
        rows: what the service's `best` returns for them.
        space: the names of their hyperparameters.
        template: the `HyperParameters` of the search.
        objective: KerasTuner's objective.
        name_of: returns the id of a trial for its number.
        known: ids of trials to leave out.
    """
    found = []
    for row in rows:
        name = name_of(row["trial"])
        if name in known:
            continue
        hyperparameters = template.copy()
        hyperparameters.values = space.values(row["params"])
        trial = Trial(hyperparameters, trial_id=name, status=TrialStatus.COMPLETED)
        trial.score = float(row["objective"])
        trial.metrics.register(objective.name, direction=objective.direction)
        for key, value in {**row["metrics"], objective.name: trial.score}.items():
            trial.metrics.update(key, value)
        found.append(trial)
    return found
