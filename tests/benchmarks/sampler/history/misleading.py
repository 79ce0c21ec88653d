"""How a history is made to mislead, each way one that happens to people."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from zlib import crc32

import numpy as np

from tests.benchmarks.sampler.history.source_study import SourceStudy
from tests.benchmarks.sampler.tasks.task import Task, place, sample
from tuner.space import Parameter, Params, SearchSpace, Value

_LOOKS = 512
#: Share of a range that a team left out earlier.
_LEFT = 0.35
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


def stranger(task: Task, rng: np.random.Generator, index: int) -> Task:
    """Return a task of quite another family that bears the parameters of `task` by chance.

    Its good region is a curved valley around a place that has nothing to do with the task's. Tasks
    of one `rng` state lie near each other, as those of a family do.
    """
    names = task.space.names
    centre, bend = rng.uniform(0.1, 0.9, len(names)), rng.uniform(-0.5, 0.5, len(names))
    weights = np.exp(rng.normal(0, 1.0, len(names)))
    near = np.random.default_rng(index)
    centre = centre + near.normal(0, 0.08, len(names))
    liked = {name: near_or(rng, task.space[name]) for name in names}

    def value(params: Params) -> float:
        away = np.array(
            [
                _off(task.space[name], params.get(name), middle, liked[name])
                for name, middle in zip(names, centre, strict=True)
            ]
        )
        return float((weights * (away + bend * np.roll(away, 1) ** 2) ** 2).sum())

    return replace(task, name=f"stranger-{task.name}-{index:02d}", evaluate=value, curve=None)


def near_or(rng: np.random.Generator, parameter: Parameter) -> Value | None:
    """Return the choice that a stranger likes; None where the parameter is no choice."""
    if parameter.kind not in ("categorical", "bool"):
        return None
    values = parameter.values or (False, True)
    return values[int(rng.integers(len(values)))]


def _off(parameter: Parameter, value: Value | None, middle: float, liked: Value | None) -> float:
    if value is None or parameter.kind in ("categorical", "bool", "fixed"):
        return 0.0 if value == liked else 0.5
    return place(parameter, value) - middle


def narrowed(task: Task, rng: np.random.Generator) -> Task:
    """Return the task as a team sought it earlier: each number in 65 % of its range."""
    if task.pool is not None:
        return task
    parameters = tuple(_narrow(item, float(rng.uniform())) for item in task.space.parameters)
    space = SearchSpace(parameters=parameters, forbid=task.space.forbid)
    return replace(task, name=f"narrowed-{task.name}-{_mark(space)}", space=space)


def _mark(space: SearchSpace) -> str:
    return f"{crc32(repr(space.parameters).encode()):08x}"


def _narrow(parameter: Parameter, share: float) -> Parameter:
    if parameter.kind not in ("float", "int") or parameter.values or parameter.step is not None:
        return parameter
    low, high = (float(bound) for bound in parameter.bounds)
    if parameter.log:
        low, high = np.log(low), np.log(high)
    low, high = (low + part * (high - low) for part in (_LEFT * share, _LEFT * share + 1 - _LEFT))
    if parameter.log:
        low, high = np.exp(low), np.exp(high)
    if parameter.kind == "int":
        low, high = round(low), max(round(high), round(low))
        return parameter if low == high else replace(parameter, low=int(low), high=int(high))
    return replace(parameter, low=float(low), high=float(high))


def forgotten(study: SourceStudy, names: Collection[str]) -> SourceStudy:
    """Return the study as if some parameters had never been recorded."""
    params = tuple({n: v for n, v in item.items() if n not in names} for item in study.params)
    return replace(study, params=params)


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
