"""The sampler as Optuna sees it. All that it computes stands in `proposing`."""

from __future__ import annotations

import copy
import hashlib
import secrets
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

from tuner.samplers.bayesian.insight import Insight
from tuner.samplers.bayesian.observations import ObservationReader
from tuner.samplers.bayesian.proposing import Request, choose
from tuner.samplers.bayesian.space.adapter import (
    OptunaSpaceAdapter,
    as_space,
    declared,
    learned,
    union,
)
from tuner.space import SearchSpace
from tuner.surrogate.columns import Floats
from tuner.surrogate.history.prior import Prior
from tuner.surrogate.history.source import Source
from tuner.surrogate.threads import one_thread

#: Trials that are not run yet may still be asked for parameters that they lack.
_NOT_ENDED = (TrialState.RUNNING, TrialState.WAITING)


class BayesianSampler(BaseSampler):
    """Chooses all parameters of a trial together, by Gaussian processes.

    A proposal is a function of the space, the study's trials and the seed alone. With a declared
    space the first trial is chosen in it already; without one the space is learnt from the trials,
    and names that are new are drawn at random.

    Safe in several threads (`n_jobs`): they are served one after the other, so that each proposal
    knows what was proposed for the trials that run.

    Args:
        space: a `SearchSpace`, definitions by name as in a spec, or Optuna's distributions by name.
        history: earlier studies that inform the first trials: Optuna studies, lists of their
            trials, or sources.
        seed: decides every proposal; drawn when it is None.
        prior: what history says, made before; of several metrics a list. Excludes `history`.
        memory: what may be kept from one proposal to the next; only saves time.
        metric: what the only objective is called, as `val_accuracy`; what is foretold then stays
            within what such a metric can be. Default: as `Study.set_metric_names` named it.
        limit_s: the longest that a trial may take, seconds, above 0; None: as long as it likes.
            What takes longer is avoided, by how long others took (`tuner.samplers.marks`).
    """

    def __init__(
        self,
        space: SearchSpace | Mapping[str, Any] | None = None,
        history: Sequence[Study | Sequence[FrozenTrial] | Source] = (),
        seed: int | None = None,
        *,
        prior: Prior | Sequence[Prior | None] | None = None,
        memory: dict[str, Any] | None = None,
        metric: str = "",
        limit_s: float | None = None,
    ) -> None:
        self._dialect = None if space is None else declared(as_space(space))
        self._seed = secrets.randbits(32) if seed is None else seed
        self._history = tuple(history)
        self._prior = prior
        self._memory = {} if memory is None else memory
        self._metric = metric
        self._limit_s = limit_s
        #: What the last proposal was made of: JSON values, keys as in `insight`.
        self.insight: Insight = {}
        #: Parameters of proposals that Optuna does not know yet: a script that asks for several
        #: trials before it suggests anything shows them as running without parameters.
        self._given: dict[tuple[str, int], dict[str, Any]] = {}
        self._turn = threading.RLock()

    @override
    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy in another process needs: a lock cannot travel."""
        with self._turn:
            return {name: value for name, value in vars(self).items() if name != "_turn"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state of the sampler that this is a copy of."""
        vars(self).update(state)
        self._turn = threading.RLock()

    @override
    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the declared parameters, or all that some trial had."""
        if self._dialect is not None:
            return dict(self._dialect.distributions)
        return union(self._others(study, trial))

    @override
    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the parameters that are active in the chosen configuration.

        What the trial has already, and what `fixed_params` in its system attributes names (as
        `Study.enqueue_trial` leaves it there), is taken as given.
        """
        if not search_space:
            return {}
        with self._turn:
            return self._propose(study, trial, search_space)

    def _propose(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        trials = self._others(study, trial)
        dialect = self._dialect or learned(search_space, trials)
        points = self._points(study, dialect)
        priors = self._priors(study, dialect)
        foretelling = None if priors[0] is None else priors[0].foretelling
        reader = ObservationReader(
            dialect, study.directions, points, self._memory, foretelling, self._limit_s
        )
        given = dialect.point(trial.system_attrs.get("fixed_params", {}) | trial.params)
        with one_thread():
            seen = reader.read(self._with_given(study, trials), trial.number)
            choice = choose(
                Request(
                    encoding=dialect.encoding,
                    seen=seen,
                    number=trial.number,
                    seed=self._seed_of(trial),
                    pins={column: float(given[column]) for column in _known(given)},
                    priors=priors,
                    memory=self._memory,
                    sign=-1.0 if study.directions[0] == StudyDirection.MAXIMIZE else 1.0,
                    metric=self._metric or _metric_name(study),
                )
            )
        self.insight = choice.insight
        params = {k: v for k, v in dialect.params(choice.x).items() if k in search_space}
        self._given[study.study_name, trial.number] = params
        return params

    @override
    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return a random value: nothing is known of this parameter yet."""
        seed = self._seed_of(trial, param_name)
        return optuna.samplers.RandomSampler(seed=seed).sample_independent(
            study, trial, param_name, param_distribution
        )

    def _priors(self, study: Study, dialect: OptunaSpaceAdapter) -> tuple[Prior | None, ...]:
        """Return what history says of each objective."""
        count = len(study.directions)
        if self._history:
            from tuner.samplers.bayesian.history import priors_of

            return priors_of(self._history, dialect, study.directions, self._memory)
        if self._prior is None or isinstance(self._prior, Prior):
            return (self._prior, *[None] * (count - 1))
        return tuple(self._prior)

    def _points(self, study: Study, dialect: OptunaSpaceAdapter) -> dict[int, Floats]:
        """Return the points of ended trials that are known; of another space they are forgotten."""
        key = study.study_name, dialect.key
        if self._memory.get("key") != key:
            self._memory |= {"key": key, "points": {}}
        points: dict[int, Floats] = self._memory["points"]
        return points

    def _others(self, study: Study, trial: FrozenTrial) -> list[FrozenTrial]:
        # Hyperband shows a sampler the trials of one bracket alone. This one knows what a rung
        # tells of the end, and a model of so few trials would starve.
        trials = study._get_trials(deepcopy=False)  # noqa: SLF001 - `get_trials` leaves them out
        return [t for t in trials if t.number != trial.number]

    def _with_given(self, study: Study, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Return the trials, running ones with all that was proposed for them."""
        found = []
        for trial in trials:
            key = study.study_name, trial.number
            if trial.state in _NOT_ENDED:
                given = self._given.get(key, {})
                if not given.keys() <= trial.params.keys():
                    trial = copy.copy(trial)
                    trial.params = given | trial.params
            else:
                self._given.pop(key, None)
            found.append(trial)
        return found

    def _seed_of(self, trial: FrozenTrial, name: str = "") -> int:
        # By number, so that a sampler that was made anew goes on as the old one would have.
        text = f"{self._seed}/{trial.number}/{name}".encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:4], "big")


def _metric_name(study: Study) -> str:
    """Return what a study calls its first objective, empty where that is not known."""
    # The study that Optuna's Hyperband shows to a sampler does not have it.
    names: list[str] | None = getattr(study, "metric_names", None)
    return names[0] if names else ""


def _known(x: Floats) -> list[int]:
    return [int(column) for column in np.flatnonzero(~np.isnan(x))]
