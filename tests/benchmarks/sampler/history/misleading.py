"""How a history is made to mislead, each way one that happens to people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.benchmarks.sampler.history.source_study import SourceStudy
from tests.benchmarks.sampler.tasks.task import Task, place, sample
from tuner.space import Parameter, Params, SearchSpace, Value

_LOOKS = 512
_FACTOR = 1000


def inverted(study: SourceStudy) -> SourceStudy:
    """Return the study with its values turned over: what was good is said to be bad."""
    return replace(study, values=tuple(-value for value in study.values))


def permuted(study: SourceStudy, rng: np.random.Generator) -> SourceStudy:
    """Return the study with its values dealt out anew: noise."""
    return replace(study, values=tuple(rng.permutation(study.values).tolist()))


def copies(study: SourceStudy, times: int) -> list[SourceStudy]:
    """Return the study under `times` names."""
    return [replace(study, name=f"{study.name}-copy-{index}") for index in range(times)]


def bad_place(task: Task, rng: np.random.Generator) -> Params:
    """Return a bad configuration of the task: the worst of many random ones."""
    if task.pool is not None:
        rows = rng.permutation(len(task.pool))[:_LOOKS]
        return max((task.pool[int(row)] for row in rows), key=task.evaluate)
    return max((sample(task.space, rng) for _ in range(_LOOKS)), key=task.evaluate)


def bowl(study: SourceStudy, centre: Params, rng: np.random.Generator) -> SourceStudy:
    """Return the study with the values of a smooth bowl around `centre`, unlike any training."""
    weights = {name: float(rng.uniform(0.5, 2)) for name in study.space.names}

    def value(params: Params) -> float:
        return sum(
            weight * _apart(study.space[name], params.get(name), centre.get(name))
            for name, weight in weights.items()
        )

    return replace(study, values=tuple(value(params) for params in study.params))


def _apart(parameter: Parameter, one: Value | None, other: Value | None) -> float:
    if one is None or other is None or parameter.kind in ("categorical", "bool", "fixed"):
        return float(one != other)
    return (place(parameter, one) - place(parameter, other)) ** 2


def numeric_parameter(space: SearchSpace, rng: np.random.Generator) -> str | None:
    """Return the name of some number of the space; None when it has none."""
    names = [item.name for item in space.parameters if item.kind in ("float", "int")]
    return names[int(rng.integers(len(names)))] if names else None


def wrong_unit(study: SourceStudy, name: str | None) -> SourceStudy:
    """Return the study with one number a thousand times as large: seconds as milliseconds."""
    if name is None:
        return study
    parameters = tuple(_scaled(p) if p.name == name else p for p in study.space.parameters)
    params = tuple(
        {n: _times(v) if n == name else v for n, v in item.items()} for item in study.params
    )
    space = SearchSpace(parameters=parameters, forbid=study.space.forbid)
    return replace(study, space=space, params=params)


def _scaled(parameter: Parameter) -> Parameter:
    if parameter.values:
        return replace(parameter, values=tuple(_times(value) for value in parameter.values))
    low, high = parameter.bounds
    step = None if parameter.step is None else parameter.step * _FACTOR
    return replace(parameter, low=low * _FACTOR, high=high * _FACTOR, step=step)


def _times(value: Value) -> Value:
    return value * _FACTOR if isinstance(value, int | float) else value
