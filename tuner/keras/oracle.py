"""The oracle that uses this service: one study, executed by any number of scripts."""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus
from typing_extensions import override

from tuner.errors import TunerError
from tuner.keras import hooks
from tuner.keras.executing import ExecutingOracle, synchronized
from tuner.keras.going import Going
from tuner.keras.others import make_trials, trial_id
from tuner.keras.project import KEY, ProjectMark, read_project
from tuner.keras.service.asking import Section, Wishes, make_spec
from tuner.keras.service.link import ServiceLink, settings_of
from tuner.keras.service.study import Claimed, ServiceStudy
from tuner.keras.spaces import Item, Known, SpaceMap
from tuner.keras.values import complete

logger = logging.getLogger(__name__)


class ServiceOracle(ExecutingOracle):
    """Lets this service choose the trials of a `keras_tuner.Tuner`.

    The study is created with the first trial and shared by all scripts that name it: each runs some
    of its trials, and no trial runs twice. If a script is killed, another one runs its trial with
    the same parameters. With KerasTuner's project folder, `search()` continues after a restart.

    Args:
        objective: as for KerasTuner's oracles.
        max_trials: of the study, over all scripts; None: only `budget` limits it.
        hyperparameters: see `keras_tuner.Oracle`, as for the next five.
        allow_new_entries: see there.
        tune_new_entries: see there.
        max_retries_per_trial: see there.
        max_consecutive_failed_trials: see there.
        study: `project/study`, as `vision/cnn`.
        sampler: a name or a section, as in a spec; default `bayesian`.
        pruner: a name or a section; it ends hopeless trainings after an epoch. Default: none.
        history: `auto` (learn from earlier studies and imports), `none`, or a list of studies.
        budget: further limits, such as `{"hours": 2, "target": 0.99}`.
        parallel: maximum number of trials that run at the same time, over all scripts.
        api_url: URL of a server; default TUNER_API_URL, else the service of this home, which is
            started if none is running.
        token: for the server; default TUNER_TOKEN.

    Raises:
        SpecError: an argument is wrong.
        SetupError: a server is configured and there is no token.
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
        wishes = Wishes(
            study=study,
            sampler=sampler,
            pruner=pruner,
            history=history,
            budget=dict(budget or {}),
            parallel=parallel,
        )
        super().__init__(
            ServiceStudy(study, ServiceLink(study, settings_of(api_url, token), os.environ)),
            objective=objective,
            max_trials=max_trials,
            hyperparameters=hyperparameters,
            allow_new_entries=allow_new_entries,
            tune_new_entries=tune_new_entries,
            seed=seed,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        self._wishes = wishes
        self._given_seed = seed
        self._mark = ProjectMark(study=study)
        #: `max_trials` of the last submission, empty before the first.
        self._submitted_trials: list[int | None] = []
        #: What trials of other processes have found, according to the latest assignment.
        self._known: Sequence[Known] = ()
        self._asker = ""
        self._pid = os.getpid()
        hooks.install()
        atexit.register(self.close)

    # Methods that KerasTuner calls

    @synchronized
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
        complete(hyperparameters)
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
        """Return the next trial of the study: `status`, and for a running one `values` and its id.

        Args:
            trial_id: not used; the study numbers its trials, over all scripts.
        """
        self._submit()
        claimed = None if self._is_drained else self._study.claim(self._asker)
        if claimed is not None:
            return self._start(claimed)
        if self._is_drained or self._study.is_over(self._asker):
            self._study.leave()
            return {"status": TrialStatus.STOPPED}
        return {"status": TrialStatus.IDLE}

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
        """Return how many more trials the study may have; None: their number is unlimited."""
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
        """Read the project again: its ended trials, and the study that it belongs to.

        Raises:
            StudyError: the project belongs to another search.
        """
        project = read_project(Path(self._get_oracle_fname()), self._wishes.study)
        self._mark = project.mark
        try:
            # The service will assign again what was running when this was written.
            self.set_state({**project.state, "ongoing_trials": {}, "retry_queue": []})
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            logger.warning("the state of the search is not read again: %r", exc)
        self.trials = project.trials
        for order in (self.start_order, self.end_order):
            order[:] = [name for name in order if name in self.trials]

    def close(self) -> None:
        """Give back the running trials and release the service; idempotent."""
        if os.getpid() != self._pid:
            return  # a fork of the script's, as data loaders make, ends: nothing is its own
        self.on_search_left()
        self._study.service.close()
        atexit.unregister(self.close)

    # The study

    def _submit(self) -> None:
        """Create the study or join it: once, and again when `max_trials` has changed.

        Raises:
            StudyError: it exists with another space, objective or metric.
        """
        if self._submitted_trials == [self.max_trials]:
            return
        study = self._wishes.study
        given: list[Item] = self._mark.given or self.hyperparameters.get_config()["space"]
        spec = make_spec(
            self._wishes,
            self.objective,
            search_space=SpaceMap(given).definitions(),
            max_trials=self.max_trials,
            seed=self._given_seed,
        )
        status = self._study.submit(spec)
        self._forget_earlier(status["created"])
        self._mark = ProjectMark(study=study, created=status["created"], given=given)
        self._submitted_trials = [self.max_trials]
        budget = status["budget"]
        of = f" of {budget['trials']}" if budget["trials"] else ""
        where = self._study.service.api().url
        self._say(f"{study} on {where}: {budget['used']}{of} trials have ended")

    def _forget_earlier(self, created: str | None) -> None:
        """Remove the trials of an earlier study of this name that was deleted."""
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
        self._known = going.known
        self._said = ""
        return {"status": TrialStatus.RUNNING, "trial_id": name, "values": going.values}

    def _best_of_others(self, most: int) -> list[Any]:
        """Return up to `most` of the best trials that other processes have executed."""
        if not self._study.service.is_open and self._mark.created is None:
            return []  # nobody has asked the service for anything yet
        items = self.hyperparameters.get_config()["space"]
        return make_trials(
            self._study.best(most + len(self.trials)),
            SpaceMap(self._mark.given or [], self._known, items),
            self.hyperparameters,
            self.objective,
            lambda number: trial_id(number, self.max_trials, self.trials),
            self.trials,
        )
