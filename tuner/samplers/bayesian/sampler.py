"""The sampler with Optuna's interface. All computation is in `proposing`."""

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

#: Trials that have not ended may still request parameters that they lack.
_NOT_ENDED = (TrialState.RUNNING, TrialState.WAITING)


class BayesianSampler(BaseSampler):
    """Chooses all parameters of a trial together, with Gaussian processes.

    A proposal is a function of only the space, the study's trials and the seed. With a declared
    space even the first trial is chosen by the sampler; without one the space is learned from the
    trials, and parameters that are new are drawn at random.

    Thread-safe (`n_jobs`): calls are served one after the other, so that each proposal takes the
    proposals of the running trials into account.

    Args:
        space: a `SearchSpace`, definitions by name as in a spec, or Optuna's distributions by name.
        history: earlier studies that inform the first trials: Optuna studies, lists of their
            trials, or sources.
        seed: decides every proposal; drawn at random if it is None.
        prior: a prior made before; a list if there are several metrics. Excludes `history`.
        memory: a cache that lives from one proposal to the next; it only saves time.
        metric: the name of the only objective, such as `val_accuracy`; predictions then stay within
            the range of such a metric. Default: the name set by `Study.set_metric_names`.
        limit_s: the time limit of a trial in seconds, above 0; None: no limit. Configurations that
            are predicted to exceed it, from the durations of other trials, are avoided
            (`tuner.samplers.marks`).
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
        #: The record of the last proposal: JSON values, keys as in `insight`.
        self.insight: Insight = {}
        #: Parameters of proposals that Optuna does not know yet: a script that asks for several
        #: trials before it suggests any parameter shows them as running without parameters.
        self._given: dict[tuple[str, int], dict[str, Any]] = {}
        self._turn = threading.RLock()

    @override
    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the lock, which cannot be pickled."""
        with self._turn:
            return {name: value for name, value in vars(self).items() if name != "_turn"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state and make a new lock."""
        vars(self).update(state)
        self._turn = threading.RLock()

    @override
    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the declared parameters, or all that any trial had."""
        if self._dialect is not None:
            return dict(self._dialect.distributions)
        return union(self._others(study, trial))

    @override
    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the parameters that are active in the chosen configuration.

        Parameters that the trial already has, and those that `fixed_params` in its system
        attributes names (`Study.enqueue_trial` sets it), are fixed.
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
        """Return a random value: nothing is known about this parameter yet."""
        seed = self._seed_of(trial, param_name)
        return optuna.samplers.RandomSampler(seed=seed).sample_independent(
            study, trial, param_name, param_distribution
        )

    def _priors(self, study: Study, dialect: OptunaSpaceAdapter) -> tuple[Prior | None, ...]:
        """Return the prior of each objective."""
        count = len(study.directions)
        if self._history:
            from tuner.samplers.bayesian.history import priors_of

            return priors_of(self._history, dialect, study.directions, self._memory)
        if self._prior is None or isinstance(self._prior, Prior):
            return (self._prior, *[None] * (count - 1))
        return tuple(self._prior)

    def _points(self, study: Study, dialect: OptunaSpaceAdapter) -> dict[int, Floats]:
        """Return the cached points of ended trials; the cache is cleared when the space changes."""
        key = study.study_name, dialect.key
        if self._memory.get("key") != key:
            self._memory |= {"key": key, "points": {}}
        points: dict[int, Floats] = self._memory["points"]
        return points

    def _others(self, study: Study, trial: FrozenTrial) -> list[FrozenTrial]:
        # Hyperband shows a sampler the trials of only one bracket. This sampler knows what a rung
        # says about the end, and a model of so few trials would starve.
        trials = study._get_trials(deepcopy=False)  # noqa: SLF001 - `get_trials` leaves them out
        return [t for t in trials if t.number != trial.number]

    def _with_given(self, study: Study, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Return the trials, running ones with all parameters that were proposed for them."""
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
        # Seeded by trial number, so that a new instance of the sampler continues like the old one.
        text = f"{self._seed}/{trial.number}/{name}".encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:4], "big")


def _metric_name(study: Study) -> str:
    """Return the name of a study's first objective, empty if it is unknown."""
    # The study that Optuna's Hyperband shows to a sampler lacks this attribute.
    names: list[str] | None = getattr(study, "metric_names", None)
    return names[0] if names else ""


def _known(x: Floats) -> list[int]:
    return [int(column) for column in np.flatnonzero(~np.isnan(x))]
