"""The oracle that asks this service: one study, executed by any number of scripts."""

from __future__ import annotations

import atexit
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus
from typing_extensions import override

from tuner.errors import TunerError
from tuner.keras import hooks
from tuner.keras.asking import Section, Wishes, make_spec
from tuner.keras.going import Going
from tuner.keras.others import make_trial, trial_id
from tuner.keras.project import KEY, Mark, read_state, read_trials
from tuner.keras.service import Service, settings_of
from tuner.keras.spaces import Item, SpaceMap
from tuner.keras.study import Claimed, Study


class ServiceOracle(keras_tuner.Oracle):  # type: ignore[misc]
    """Has this service choose the trials of a `keras_tuner.Tuner`.

    The study is made at the first trial and shared by all scripts that name it: each runs trials
    of it, none runs one twice, and the trial of one that was killed is run by another, with the
    same parameters. With the project folder of KerasTuner, `search()` goes on after a restart.

    Args:
        objective: as KerasTuner's oracles take it.
        max_trials: of the study, over all scripts; None: only `budget` limits it.
        hyperparameters: see `keras_tuner.Oracle`, as for the next five.
        allow_new_entries: see there.
        tune_new_entries: see there.
        seed: of the sampler.
        max_retries_per_trial: see there.
        max_consecutive_failed_trials: see there.
        study: `project/study`, as `vision/cnn`.
        sampler: a name or a section as in a spec; default `bayesian`.
        pruner: a name or a section; a hopeless training is ended after an epoch. Default: none.
        history: `auto` (earlier studies and imports teach it), `none`, or a list of studies.
        budget: further limits, as `{"hours": 2, "target": 0.99}`.
        parallel: trials that run at once at most, over all scripts.
        api_url: of a server; default TUNER_API_URL, else the service of this home, which is started
            when none runs.
        token: of the server; default TUNER_TOKEN.

    Raises:
        SpecError: an argument is wrong.
        SetupError: a server was named and there is no token.
    """

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = None,
        hyperparameters: Any = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        seed: int | None = None,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 3,
        *,
        study: str,
        sampler: Section | None = None,
        pruner: Section | None = None,
        history: str | Sequence[str] = "auto",
        budget: Mapping[str, Any] | None = None,
        parallel: int | None = None,
        api_url: str | None = None,
        token: str | None = None,
    ) -> None:
        super().__init__(
            objective=objective,
            max_trials=max_trials,
            hyperparameters=hyperparameters,
            allow_new_entries=allow_new_entries,
            tune_new_entries=tune_new_entries,
            seed=seed,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        self._wishes = Wishes(
            study=study,
            sampler=sampler,
            pruner=pruner,
            history=history,
            budget=dict(budget or {}),
            parallel=parallel,
        )
        self._given_seed = seed
        service = Service(study, settings_of(api_url, token), os.environ)
        self._study = Study(study, service, self._say)
        self._mark = Mark(study=study)
        self._submitted: tuple[Any, ...] | None = None
        self._going: dict[str, Going] = {}
        self._asker = ""
        self._said = ""
        #: A user has told this process to leave.
        self._is_drained = False
        hooks.install()
        atexit.register(self.close)

    # What KerasTuner asks

    @keras_tuner.synchronized  # type: ignore[untyped-decorator]
    @override
    def create_trial(self, tuner_id: str) -> Any:
        if tuner_id in self.ongoing_trials:
            return self.ongoing_trials[tuner_id]
        if self._retry_queue:
            return super().create_trial(tuner_id)
        self.tuner_ids.add(tuner_id)
        self._asker = tuner_id
        response = self.populate_space("")
        status = response["status"]
        hyperparameters = self.hyperparameters.copy()
        hyperparameters.values = response.get("values", {})
        if status != TrialStatus.RUNNING:
            if status == TrialStatus.STOPPED:
                self.tuner_ids.discard(tuner_id)
            return Trial(hyperparameters, trial_id="", status=status)
        _complete(hyperparameters)
        trial = Trial(hyperparameters, trial_id=response["trial_id"], status=status)
        self.ongoing_trials[tuner_id] = trial
        self.trials[trial.trial_id] = trial
        if trial.trial_id not in self.start_order:
            self.start_order.append(trial.trial_id)
        self._save_trial(trial)
        self.save()
        self._display.on_trial_begin(trial)
        return trial

    @override
    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the next trial of the study: `status`, and of one that runs `values` and its id.

        Args:
            trial_id: not used; the study numbers its trials, over all scripts.
        """
        self._submit()
        claimed = None if self._is_drained else self._study.claim(self._asker)
        if claimed is not None:
            return self._start(claimed)
        if self._is_drained or self._study.is_over():
            self._study.leave()
            return {"status": TrialStatus.STOPPED}
        return {"status": TrialStatus.IDLE}

    @keras_tuner.synchronized  # type: ignore[untyped-decorator]
    @override
    def end_trial(self, trial: Any) -> None:
        going = self._going.get(trial.trial_id)
        if going is not None and going.held.lost:
            self._drop(trial.trial_id, going.held.lost)
            return
        try:
            super().end_trial(trial)
        finally:
            # Also where too many have failed one after another, which ends the search.
            mine = self.trials[trial.trial_id]
            if going is not None and mine.status in (TrialStatus.COMPLETED, TrialStatus.FAILED):
                del self._going[trial.trial_id]
                self._hand_over(going, mine)

    @keras_tuner.synchronized  # type: ignore[untyped-decorator]
    @override
    def update_trial(self, trial_id: str, metrics: Mapping[str, Any], step: int = 0) -> Any:
        """Record metrics; a tuner of one's own reports each epoch so, counted from 0."""
        trial = super().update_trial(trial_id, metrics, step=step)
        going = self._going.get(trial_id)
        if going is not None and going.end_epoch(
            int(step), self._value(metrics), _numbers(metrics), trial.hyperparameters
        ):
            trial.status = TrialStatus.STOPPED
        return trial

    @override
    def get_best_trials(self, num_trials: int = 1) -> list[Any]:
        """Return the best trials of the study, whichever script has executed them."""
        own = super().get_best_trials(max(num_trials, len(self.trials)))
        is_complete = [trial for trial in own if trial.status == TrialStatus.COMPLETED]
        found = [*is_complete, *self._best_of_others(num_trials)]
        found.sort(key=lambda trial: trial.score, reverse=self.objective.direction == "max")
        rest = [trial for trial in own if trial.status != TrialStatus.COMPLETED]
        return [*found, *rest][:num_trials]

    @override
    def remaining_trials(self) -> int | None:
        """Return how many trials the study may still have; None: their number is not limited."""
        try:
            return self._study.remaining()
        except TunerError:
            remaining: int | None = super().remaining_trials()
            return remaining

    @override
    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), KEY: self._mark.to_json()}

    @override
    def reload(self) -> None:
        """Read the project again: its ended trials, and which study it is of.

        Raises:
            StudyError: the project is of another search.
        """
        folder = Path(self._project_dir)
        state, self._mark = read_state(Path(self._get_oracle_fname()), self._wishes.study)
        trials = {trial.trial_id: trial for trial in read_trials(folder)}
        if state:
            # What ran when it was written is given out again by the service.
            self.set_state({**state, "ongoing_trials": {}, "retry_queue": []})
        self.trials = trials
        for order in (self.start_order, self.end_order):
            order[:] = [name for name in order if name in trials]

    @override
    def _record_values(self, trial: Any) -> None:
        # KerasTuner's own draws at random what a trial lacks, and drops the value of a name that
        # has another definition under conditions that do not hold.
        _complete(trial.hyperparameters)

    # What the hooks tell

    def on_epoch_end(
        self, trial: Any, model: Any, epoch: int, logs: Mapping[str, Any] | None
    ) -> None:
        """Report an epoch of a training, and end the training where the service wants that."""
        going = self._going.get(trial.trial_id)
        logs = logs or {}
        if going is not None and going.end_epoch(
            epoch, self._value(logs), _numbers(logs), trial.hyperparameters
        ):
            model.stop_training = True

    def on_search_left(self) -> None:
        """Give the trials back that were running when `search` was interrupted."""
        for name, going in list(self._going.items()):
            going.give_back()
            self._forget(name)
        self._study.leave()

    def close(self) -> None:
        """Give back what runs, and let the service go; again has no effect."""
        self.on_search_left()
        self._study.service.close()
        atexit.unregister(self.close)

    # The study

    def _submit(self) -> None:
        """Make the study, or join it, once.

        Raises:
            StudyError: it exists with another space, objective or metric.
        """
        wanted = (self.max_trials,)
        if self._submitted == wanted:
            return
        study = self._wishes.study
        given: list[Item] = self._mark.given or self.hyperparameters.get_config()["space"]
        spec = make_spec(
            self._wishes,
            objective=self.objective.name,
            direction=self.objective.direction,
            search_space=SpaceMap(given).definitions(),
            max_trials=self.max_trials,
            seed=self._given_seed,
        )
        status = self._study.submit(spec)
        self._forget_earlier(status["created"])
        self._mark = Mark(study=study, created=status["created"], given=given)
        self._submitted = wanted
        budget = status["budget"]
        of = f" of {budget['trials']}" if budget["trials"] else ""
        where = self._study.service.api().url
        self._say(f"{study} on {where}: {budget['used']}{of} trials have ended")

    def _forget_earlier(self, created: str | None) -> None:
        """Leave out trials of a study of this name that was deleted since."""
        if self._mark.created not in (None, created) and self.trials:
            self._say(f"{len(self.trials)} trials in the project are of an earlier study: left out")
            for known in (self.trials, self.start_order, self.end_order):
                known.clear()

    def _start(self, claimed: Claimed) -> dict[str, Any]:
        going = Going(
            claimed.held,
            claimed.files,
            self._mark.given or [],
            maximize=self.objective.direction == "max",
            may_meet=self.allow_new_entries and self.tune_new_entries,
            is_judged=self._wishes.has_pruner,
        )
        name = trial_id(claimed.held.assignment.trial, self.max_trials, self.trials)
        self._going[name] = going
        self._said = ""
        return {"status": TrialStatus.RUNNING, "trial_id": name, "values": going.values}

    def _hand_over(self, going: Going, trial: Any) -> None:
        if trial.status == TrialStatus.COMPLETED:
            if going.pruned_at is not None:
                trial.score, trial.best_step = going.pruned_at
                self._save_trial(trial)
            metrics = {name: trial.metrics.get_last_value(name) for name in trial.metrics.metrics}
            is_taken = going.complete(
                trial.score, _numbers(metrics), trial.hyperparameters, self._say
            )
        else:
            diverged = trial.score is not None and math.isnan(trial.score)
            text = trial.message or "the objective is NaN"
            is_taken = going.fail(text, trial.hyperparameters, self._say, diverged=diverged)
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
        """Leave a trial to others: it comes back as theirs, or by a claim."""
        self._going.pop(name, None)
        self.trials.pop(name, None)
        for order in (self.start_order, self.end_order, self._retry_queue):
            order[:] = [one for one in order if one != name]
        for tuner_id, trial in list(self.ongoing_trials.items()):
            if trial.trial_id == name:
                del self.ongoing_trials[tuner_id]

    def _best_of_others(self, most: int) -> list[Any]:
        """Return trials of the study that this process has not executed, at most so many."""
        if not self._study.service.is_open and self._mark.created is None:
            return []  # nobody has asked the service for anything yet
        space = SpaceMap(self._mark.given or [], (), self.hyperparameters.get_config()["space"])
        found = []
        for row in self._study.best(most + len(self.trials)):
            name = trial_id(row["trial"], self.max_trials, self.trials)
            if name not in self.trials:
                hyperparameters = self.hyperparameters.copy()
                hyperparameters.values = space.values(row["params"])
                found.append(make_trial(name, row, hyperparameters, self.objective))
        return found

    def _value(self, logs: Mapping[str, Any]) -> float | None:
        """Return the objective of an epoch; None: the logs do not say it."""
        if not self.objective.has_value(logs):
            return None
        return float(self.objective.get_value(logs))

    def _say(self, text: str) -> None:
        """Tell the user, once, as KerasTuner does."""
        if text != self._said and self.verbose:
            self._said = text
            print(text)  # noqa: T201 - as KerasTuner speaks to its user


def _complete(hyperparameters: Any) -> None:
    """Give each active hyperparameter a value, its default, and the others none."""
    values = hyperparameters.values
    for item in hyperparameters.space:
        if hyperparameters.is_active(item):
            values.setdefault(item.name, item.default)
    for name in {item.name for item in hyperparameters.space}:
        if not hyperparameters.is_active(name):
            values.pop(name, None)


def _numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    """Return the entries of Keras' logs that are numbers."""
    found: dict[str, float] = {}
    for name, value in logs.items():
        try:
            found[str(name)] = float(value)
        except (TypeError, ValueError):
            continue
    return found
