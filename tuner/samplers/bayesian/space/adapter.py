"""A search space in two forms: Optuna's parameters and distributions, and points for models."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial

from tuner.samplers.bayesian.space.conditions import learn_conditions
from tuner.space import Parameter, SearchSpace
from tuner.space.encoding import Encoding
from tuner.space.optuna import distribution, from_distribution, from_optuna, to_optuna
from tuner.surrogate.columns import Floats

Ranges = Mapping[str, BaseDistribution]


class OptunaSpaceAdapter:
    """Translates between Optuna's trials and the points of an encoding.

    Args:
        space: the parameters. Its categorical ones hold indices where `by_index` names them:
            distributions: Optuna's distribution of each tuned parameter.
        distributions: Optuna's of each tuned parameter.
        by_index: names of categorical parameters whose values are indices of Optuna's choices.
    """

    def __init__(
        self,
        space: SearchSpace,
        distributions: Ranges,
        by_index: frozenset[str] = frozenset(),
    ) -> None:
        self.encoding = Encoding(space)
        self.distributions = {name: distributions[name] for name in self.encoding.names}
        self._by_index = by_index
        #: Equal for two adapters that translate in the same way.
        self.key = json.dumps(space.to_json()) + repr(self.distributions)

    def point(self, params: Mapping[str, Any], distributions: Ranges | None = None) -> Floats:
        """Return Optuna's parameters as a point (d,); NaN for what is absent or cannot be placed.

        Args:
            params: external values.
            distributions: the ones the values were drawn from, where known.
        """
        x = np.full(len(self.encoding), np.nan)
        for column, name in enumerate(self.encoding.names):
            if name in params:
                theirs = (distributions or {}).get(name)
                x[column] = self._unit(name, params[name], theirs)
        return x

    def recorded(self, params: Mapping[str, Any], distributions: Ranges) -> dict[str, Any]:
        """Return another study's parameters as values of this space, where they have one.

        Args:
            params: Optuna's external values.
            distributions: the ones the values were drawn from.
        """
        found = dict(params)
        for name in self.distributions.keys() & params.keys():
            try:
                found[name] = self._ours(name, params[name], distributions.get(name))
            except ValueError:
                # A choice that this space lacks must not pass as one of its indices either.
                found[name] = None if name in self._by_index else params[name]
        return found

    def params(self, x: Floats) -> dict[str, Any]:
        """Return Optuna's external values of the parameters that are active at a point."""
        return {
            name: self._external(name, value)
            for name, value in self.encoding.decode(x).items()
            if name in self.distributions
        }

    def _unit(self, name: str, value: Any, theirs: BaseDistribution | None) -> float:
        try:
            return self.encoding.unit(name, self._ours(name, value, theirs))
        except ValueError:
            return math.nan

    def _ours(self, name: str, value: Any, theirs: BaseDistribution | None) -> Any:
        if name in self._by_index:
            return int(self.distributions[name].to_internal_repr(value))
        parameter = self.encoding.space[name]
        if parameter.kind == "ordinal" and isinstance(theirs, IntDistribution | None):
            # Optuna sees an ordinal as the index of its value.
            return from_optuna(parameter, value)
        return value

    def _external(self, name: str, value: Any) -> Any:
        ours = self.distributions[name]
        if name in self._by_index:
            return ours.to_external_repr(float(value))
        return to_optuna(self.encoding.space[name], value)


def declared(space: SearchSpace) -> OptunaSpaceAdapter:
    """Return the adapter of a declared space."""
    ranges = {p.name: distribution(p) for p in space.parameters if p.kind != "fixed"}
    return OptunaSpaceAdapter(space, ranges)


def as_space(given: SearchSpace | Mapping[str, Any]) -> SearchSpace:
    """Return the space that a user gave: a `SearchSpace`, definitions, or Optuna's distributions.

    Raises:
        SpecError: a definition is not valid.
        ValueError: a distribution has no counterpart.
    """
    if isinstance(given, SearchSpace):
        return given
    if given and all(isinstance(item, BaseDistribution) for item in given.values()):
        return SearchSpace(tuple(from_distribution(name, item) for name, item in given.items()))
    if "parameters" in given and isinstance(given["parameters"], Mapping):
        inner = given["parameters"]
        if "type" not in inner:
            return SearchSpace.from_json(dict(given))
    return SearchSpace.from_json({"parameters": dict(given)})


def union(trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
    """Return every parameter that any trial had, with a range that covers all of them.

    Parameters with a single value are left out. If a name changed its kind, the newest counts.
    """
    found: dict[str, BaseDistribution] = {}
    for trial in trials:
        for name, dist in trial.distributions.items():
            found[name] = _wider(found[name], dist) if name in found else dist
    return {name: dist for name, dist in sorted(found.items()) if not dist.single()}


def _wider(old: BaseDistribution, new: BaseDistribution) -> BaseDistribution:
    if old == new:
        return old
    if isinstance(old, FloatDistribution) and isinstance(new, FloatDistribution):
        low, high = min(old.low, new.low), max(old.high, new.high)
        step = _common_step(old, new)
        return FloatDistribution(low, high, log=new.log, step=None if new.log else step)
    if isinstance(old, IntDistribution) and isinstance(new, IntDistribution):
        low, high = min(old.low, new.low), max(old.high, new.high)
        step = _common_step(old, new)
        return IntDistribution(low, high, log=new.log, step=1 if new.log else int(step or 1))
    return new


def _common_step(
    old: FloatDistribution | IntDistribution, new: FloatDistribution | IntDistribution
) -> float | None:
    """Return the step common to both ranges, None if they do not lie on one grid."""
    if old.step is None or old.step != new.step:
        return None
    apart = abs(old.low - new.low) / old.step
    return old.step if abs(apart - round(apart)) < 1e-8 else None


def learned(ranges: Ranges, trials: Sequence[FrozenTrial]) -> OptunaSpaceAdapter:
    """Return the adapter of a space that was not declared.

    Args:
        ranges: distributions by name, as `union` finds them; each has several values.
        trials: the study's trials; they show which parameters depend on others.
    """
    by_index = frozenset(
        name for name, dist in ranges.items() if isinstance(dist, CategoricalDistribution)
    )
    plain = [_parameter(name, dist) for name, dist in ranges.items()]
    parameters = learn_conditions(plain, trials, by_index)
    return OptunaSpaceAdapter(SearchSpace(tuple(parameters)), ranges, by_index)


def _parameter(name: str, dist: BaseDistribution) -> Parameter:
    if isinstance(dist, CategoricalDistribution):
        return Parameter(name=name, kind="categorical", values=tuple(range(len(dist.choices))))
    return from_distribution(name, dist)
