"""The formulas of the structured families: what makes a value, and the lowest there is.

A formula is drawn twice: `common` gives what the tasks of the family share, `own` what differs.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from tests.benchmarks.sampler.tasks.task import Array, place
from tuner.space import Params, SearchSpace

Formula = tuple[Callable[[Params], float], float]
Generator = np.random.Generator

#: How far the best places of the tasks of a family lie apart, in widths of the range.
_SHIFT = 0.1


def _near(space: SearchSpace, name: str, common: Generator, own: Generator) -> float:
    """Return a best place for a number: near the family's, and one that the parameter can take."""
    parameter = space[name]
    wanted = float(np.clip(common.uniform(0.1, 0.9) + own.normal(0, _SHIFT), 0.02, 0.98))
    if parameter.size is None:
        return wanted
    places = np.array([place(parameter, parameter.at(index)) for index in range(parameter.size)])
    return float(places[np.argmin(np.abs(places - wanted))])


def _effects(size: int, common: Generator, own: Generator) -> Array:
    """Return what each of `size` choices costs; the best of them 0."""
    effects = common.uniform(0, 1, size) + own.normal(0, 0.2, size)
    return effects - effects.min()


def _saturating(value: float) -> float:
    # As an error rate: far from the best everything is about equally bad.
    return 1 - float(np.exp(-value))


def pipeline(space: SearchSpace, common: Generator, own: Generator) -> Formula:
    """Each learner has a best value of its own and a bowl around its best configuration."""
    learners, scalings = space["learner"].values, space["scaling"].values
    floors = dict(zip(learners, 0.3 * _effects(len(learners), common, own), strict=True))
    scaling = {name: 0.15 * _effects(len(scalings), common, own) for name in learners}
    numbers = [item.name for item in space.parameters if item.kind in ("int", "float")]
    best = {name: _near(space, name, common, own) for name in numbers}
    weight = {name: float(common.uniform(0.5, 4)) for name in numbers}
    linear = float(common.uniform(0.02, 0.2))

    def value(params: Params) -> float:
        learner = params["learner"]
        away = sum(
            weight[name] * (place(space[name], params[name]) - best[name]) ** 2
            for name in numbers
            if name in params
        )
        kernel = linear if params.get("svm.kernel") == "linear" else 0.0
        scaled = float(scaling[str(learner)][scalings.index(params["scaling"])])
        return float(floors[learner]) + kernel + scaled + _saturating(away)

    return value, 0.0


def network(space: SearchSpace, common: Generator, own: Generator) -> Formula:
    """The best learning rate depends on the optimizer, its momentum, the batch and the norm."""
    optimizers, activations = space["train.optimizer"].values, space["model.activation"].values
    by_optimizer = dict(zip(optimizers, 0.3 * _effects(3, common, own), strict=True))
    by_activation = dict(zip(activations, 0.3 * _effects(4, common, own), strict=True))
    rate = {"adam": -3.0, "sgd": -1.6, "rmsprop": -3.3}
    moved = float(own.normal(0, 0.25))
    layers = int(np.clip(common.integers(2, 4) + round(own.normal(0, 0.5)), 1, 4))
    units = [_near(space, f"model.units_{index}", common, own) for index in range(1, 5)]
    batch = _near(space, "train.batch_size", common, own)
    momentum = 0.9 + float(own.uniform(-0.05, 0.05))
    dropout = _near(space, "model.dropout", common, own)
    plain = 0.1 + 0.2 * float(common.random())

    def value(params: Params) -> float:
        optimizer, normed = str(params["train.optimizer"]), bool(params["model.batch_norm"])
        at_batch = place(space["train.batch_size"], params["train.batch_size"])
        best_rate = rate[optimizer] + moved + 0.8 * (at_batch - batch) - 0.6 * (not normed)
        inertia = float(params.get("train.momentum", momentum))
        best_rate -= 1.2 * (inertia - momentum)
        depth = int(params["model.layers"])
        wide = sum(
            0.5 * (place(space[name], params[name]) - units[index]) ** 2
            for index in range(depth)
            if (name := f"model.units_{index + 1}") in params
        )
        away = 0.5 * (np.log10(float(params["train.learning_rate"])) - best_rate) ** 2
        away += 0.08 * (depth - layers) ** 2 + wide + 0.3 * (at_batch - batch) ** 2
        away += (place(space["model.dropout"], params["model.dropout"]) - dropout) ** 2
        away += 0.5 * (inertia - momentum) ** 2
        away += by_optimizer[optimizer] + by_activation[params["model.activation"]]
        return _saturating(float(away) + (0.0 if normed else plain))

    return value, 0.0


def mixed(space: SearchSpace, common: Generator, own: Generator) -> Formula:
    """The choices have effects, and the best place of the numbers depends on them."""
    numbers, chosen = ("x", "y", "z", "i", "j"), ("a", "b", "c")
    effect = {
        name: dict(zip(values, 0.4 * _effects(len(values), common, own), strict=True))
        for name in chosen
        for values in [space[name].values]
    }
    moves = {
        name: {value: common.normal(0, 0.15, len(numbers)) for value in space[name].values}
        for name in chosen
    }
    best_choice = {name: min(effect[name], key=effect[name].__getitem__) for name in chosen}
    centre = np.array([_near(space, name, common, own) for name in numbers])
    weights = common.uniform(0.5, 3, len(numbers))

    def value(params: Params) -> float:
        at = np.array([place(space[name], params[name]) for name in numbers])
        shift = sum(moves[n][params[n]] - moves[n][best_choice[n]] for n in chosen)
        away = float((weights * (at - centre - shift) ** 2).sum())
        return sum(float(effect[n][params[n]]) for n in chosen) + 2 * _saturating(away)

    return value, 0.0


def choices(space: SearchSpace, common: Generator, own: Generator) -> Formula:
    """Every choice and every pair of neighbouring choices has an effect; all are enumerated."""
    sizes = [len(parameter.values) for parameter in space.parameters]
    single = [common.normal(0, 1, size) + own.normal(0, 0.3, size) for size in sizes]
    pair = [
        0.7 * common.normal(0, 1, shape) + own.normal(0, 0.2, shape) for shape in pairwise(sizes)
    ]
    total = np.zeros(sizes)
    for index, effects in enumerate(single):
        total += effects.reshape([-1 if axis == index else 1 for axis in range(len(sizes))])
    for index, table in enumerate(pair):
        around = [size if axis in (index, index + 1) else 1 for axis, size in enumerate(sizes)]
        total += table.reshape(around)

    def value(params: Params) -> float:
        at = tuple(item.values.index(params[item.name]) for item in space.parameters)
        return float(total[at])

    return value, float(total.min())


def grid(space: SearchSpace, common: Generator, own: Generator) -> Formula:
    """Each kernel has a floor and a valley that runs across its parameters; all are enumerated."""
    kernels = space["kernel"].values
    floors = dict(zip(kernels, 0.5 * _effects(len(kernels), common, own), strict=True))
    at = {name: _near(space, name, common, own) for name in ("C", "gamma", "degree")}
    slant, steep = float(common.uniform(0.3, 0.9)), float(common.uniform(2, 8))

    def value(params: Params) -> float:
        other = next((name for name in ("gamma", "degree") if name in params), None)
        c = place(space["C"], params["C"]) - at["C"]
        away = 0.0 if other is None else place(space[other], params[other]) - at[other]
        away = steep * (away + slant * c) ** 2 + c**2
        return float(floors[params["kernel"]]) + _saturating(away)

    return value, min(value(params) for params in space.configurations())
