"""The trials of an oracle that run in this process, from the first epoch to the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import keras_tuner
from keras_tuner.engine.trial import TrialStatus
from typing_extensions import override

from tuner.keras.going import Going
from tuner.keras.service.study import ServiceStudy
from tuner.keras.values import complete, numbers_of, objective_of

_Method = TypeVar("_Method", bound=Callable[..., Any])


def synchronized(method: _Method) -> _Method:
    """Let only one thread at a time into the methods of an oracle, as KerasTuner does."""
    made: _Method = keras_tuner.synchronized(method)
    return made


class ExecutingOracle(keras_tuner.Oracle):  # type: ignore[misc]
    """Tells the service about the trials that run here, and KerasTuner how they end.

    Args:
        study: the study of the trials; its messages are shown in KerasTuner's way.
        stock: the arguments of `keras_tuner.Oracle`.
    """

    def __init__(self, study: ServiceStudy, **stock: Any) -> None:
        super().__init__(**stock)
        self._going: dict[str, Going] = {}
        #: Whether a user has told this process to leave.
        self._is_drained = False
        self._said = ""
        self._study = study
        study.say = self._say

    @synchronized
    @override
    def update_trial(self, trial_id: str, metrics: Mapping[str, Any], step: int = 0) -> Any:
        """Record metrics; a custom tuner reports each epoch with this, counting from 0."""
        trial = super().update_trial(trial_id, metrics, step=step)
        going = self._going.get(trial_id)
        if going is not None and going.end_epoch(
            int(step),
            objective_of(self.objective, metrics),
            numbers_of(metrics),
            trial.hyperparameters,
        ):
            trial.status = TrialStatus.STOPPED
        return trial

    @synchronized
    @override
    def end_trial(self, trial: Any) -> None:
        going = self._going.get(trial.trial_id)
        if going is not None and going.held.lost:
            self._drop(trial.trial_id, going.held.lost)
            return
        try:
            super().end_trial(trial)
        finally:
            # Even if too many have failed in a row, which ends the search.
            mine = self.trials[trial.trial_id]
            if going is not None and mine.status in (TrialStatus.COMPLETED, TrialStatus.FAILED):
                del self._going[trial.trial_id]
                self._hand_over(going, mine)

    @override
    def _record_values(self, trial: Any) -> None:
        # KerasTuner's own draws missing values at random, and drops the value of a name that has
        # another definition under conditions that do not hold.
        complete(trial.hyperparameters)

    def on_epoch_end(
        self, trial: Any, model: Any, epoch: int, logs: Mapping[str, Any] | None
    ) -> None:
        """Report an epoch of a training, and end the training if the service wants that."""
        going = self._going.get(trial.trial_id)
        logs = logs or {}
        if going is not None and going.end_epoch(
            epoch, objective_of(self.objective, logs), numbers_of(logs), trial.hyperparameters
        ):
            model.stop_training = True

    def on_search_left(self) -> None:
        """Give back the trials that were running when `search` was interrupted."""
        for name, going in list(self._going.items()):
            going.give_back()
            self._forget(name)
        self._study.leave()

    def _hand_over(self, going: Going, trial: Any) -> None:
        if going.is_pruned and going.best is not None and trial.status == TrialStatus.COMPLETED:
            # Further executions were ended immediately, so their average is meaningless.
            trial.score, trial.best_step = going.best
            self._save_trial(trial)
        is_taken = going.end(trial, self._say)
        self._is_drained = self._is_drained or going.held.is_drained
        if not is_taken:
            self._drop(trial.trial_id, going.held.lost)

    def _drop(self, name: str, why: str) -> None:
        self._say(f"trial {name} is not this process's any more: {why}")
        going = self._going.get(name)
        if going is not None:
            going.give_back()
        self._forget(name)

    def _forget(self, name: str) -> None:
        """Leave a trial to other processes: it returns as theirs, or through a claim."""
        self._going.pop(name, None)
        self.trials.pop(name, None)
        for order in (self.start_order, self.end_order, self._retry_queue):
            order[:] = [one for one in order if one != name]
        for tuner_id, trial in list(self.ongoing_trials.items()):
            if trial.trial_id == name:
                del self.ongoing_trials[tuner_id]

    def _say(self, text: str) -> None:
        """Show the user a message once, in KerasTuner's way."""
        if text != self._said and self.verbose:
            self._said = text
            print(text)  # noqa: T201 - as KerasTuner speaks to its user
