"""Asks a sampler for one configuration, parameter by parameter, without writing a trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import _filter_study
from optuna.samplers import BaseSampler

from tuner.proposals.study_snapshot import SnapshotStorage
from tuner.space import Parameter
from tuner.space.optuna import from_optuna


class SpaceWalk:
    """One walk through the declared space with one sampler, as Optuna's `Trial` does it.

    Args:
        storage: the study as the sampler should see it; it stores what the sampler writes.
        sampler: chooses.
        distributions: Optuna's, of the tuned parameters by name.
        start: Optuna's values of the given parameters.
    """

    def __init__(
        self,
        storage: SnapshotStorage,
        sampler: BaseSampler,
        distributions: Mapping[str, BaseDistribution],
        start: Mapping[str, Any],
    ) -> None:
        self._sampler = sampler
        self._distributions = distributions
        self._start = start
        study = storage.open_study(sampler)
        sampler.before_trial(study, storage.new_trial())
        self._trial = storage.new_trial()
        if start:
            # Where Optuna stores enqueued values: a sampler may choose the others to match.
            self._trial.system_attrs["fixed_params"] = start
        # Hyperband shows a sampler only the trials of the same bracket.
        self._study = _filter_study(study, self._trial)
        self._space = sampler.infer_relative_search_space(self._study, self._trial)
        self._relative = sampler.sample_relative(self._study, self._trial, self._space)

    def choose(self, parameter: Parameter) -> Any:
        """Return the value of an active parameter."""
        dist = self._distributions[parameter.name]
        if parameter.name in self._start:
            value = self._start[parameter.name]
        else:
            value = self._sample(parameter.name, dist)
        self._trial.params[parameter.name] = value
        self._trial.distributions[parameter.name] = dist
        return from_optuna(parameter, value)

    def _sample(self, name: str, dist: BaseDistribution) -> Any:
        if name in self._relative:
            value = self._relative[name]
            if dist._contains(dist.to_internal_repr(value)):  # noqa: SLF001 - as Optuna's Trial
                return value
        if dist.single():
            return dist.to_external_repr(_single(dist))
        return self._sampler.sample_independent(self._study, self._trial, name, dist)


def _single(dist: BaseDistribution) -> float:
    """Return the internal representation of the only value of `dist`."""
    if isinstance(dist, optuna.distributions.CategoricalDistribution):
        return 0.0
    return float(dist.low)  # type: ignore[attr-defined]
