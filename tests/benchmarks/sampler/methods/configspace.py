"""A search space as ConfigSpace has it, for the peers that read it (SMAC, DEHB, CARP-S)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ConfigSpace import (
    AndConjunction,
    CategoricalHyperparameter,
    ConfigurationSpace,
    InCondition,
    UniformFloatHyperparameter,
    UniformIntegerHyperparameter,
)

from tests.benchmarks.sampler.methods.values import from_plain
from tuner.space import Parameter, Params, SearchSpace, Value


def to_configspace(space: SearchSpace, seed: int) -> ConfigurationSpace:
    """Return the space with its conditions; an ordinal is the number of its value, as for Optuna.

    Raises:
        ValueError: combinations are forbidden, which no task of these benchmarks has.
    """
    if space.forbid:
        raise ValueError("a space with forbidden combinations is not translated")
    found = ConfigurationSpace(seed=seed)
    made = {item.name: _hyperparameter(item) for item in space.parameters}
    _add(found, list(made.values()))
    for item in space.parameters:
        conditions = [
            InCondition(
                made[item.name],
                made[condition.parent],
                [to_plain(space[condition.parent], value) for value in condition.values],
            )
            for condition in item.when
        ]
        if conditions:
            _add(found, conditions[:1] if len(conditions) == 1 else [AndConjunction(*conditions)])
    return found


def _add(space: ConfigurationSpace, items: list[Any]) -> None:
    if hasattr(space, "add"):
        space.add(items)
    elif hasattr(items[0], "name"):
        # Of the old release that OpenBox needs.
        space.add_hyperparameters(items)
    else:
        space.add_conditions(items)


def from_configuration(space: SearchSpace, configuration: Mapping[str, Any]) -> Params:
    """Return the active parameters of a configuration."""
    return space.walk(lambda item: from_plain(item, configuration[item.name]))


def _hyperparameter(item: Parameter) -> Any:
    if item.kind == "ordinal":
        return UniformIntegerHyperparameter(item.name, 0, len(item.values) - 1)
    if item.values:
        return CategoricalHyperparameter(item.name, [str(value) for value in item.values])
    low, high = item.bounds
    if item.kind == "int":
        return UniformIntegerHyperparameter(item.name, int(low), int(high), log=item.log)
    return UniformFloatHyperparameter(item.name, float(low), float(high), log=item.log)


def to_plain(item: Parameter, value: Value) -> Any:
    """Return a value of ours as ConfigSpace has it."""
    if item.kind == "ordinal":
        return item.values.index(value)
    return str(value) if item.values else value
