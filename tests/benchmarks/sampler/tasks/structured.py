"""Families with conditions and choices. Their values are sums of terms that are 0 at a known best.

| family | what it has |
|---|---|
| pipeline | a learner is chosen; each has parameters of its own, one of them a condition deeper |
| network | what a Keras study tunes: optimizer and momentum, units of each layer, choices, a bool |
| mixed8 | choices that move the best place of the numbers |
| choices | nothing but choices, with effects of pairs |
| grid | 288 configurations of a classifier whose kernels have a parameter of their own, as `svm` |
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np

from tests.benchmarks.sampler.tasks import structured_values as formulas
from tests.benchmarks.sampler.tasks.task import Task, median_value
from tuner.space import SearchSpace

TASKS = 12
_RANDOM = 500

_PIPELINE = {
    "scaling": {"type": "categorical", "values": ["none", "standard", "minmax"]},
    "learner": {"type": "categorical", "values": ["svm", "forest", "net", "boost"]},
    "svm.C": {"type": "float", "low": 1e-3, "high": 1e3, "log": True, "when": {"learner": ["svm"]}},
    "svm.kernel": {
        "type": "categorical",
        "values": ["rbf", "linear"],
        "when": {"learner": ["svm"]},
    },
    "svm.gamma": {
        "type": "float",
        "low": 1e-4,
        "high": 10.0,
        "log": True,
        "when": {"svm.kernel": ["rbf"]},
    },
    "forest.trees": {
        "type": "int",
        "low": 10,
        "high": 1000,
        "log": True,
        "when": {"learner": ["forest"]},
    },
    "forest.depth": {"type": "int", "low": 2, "high": 20, "when": {"learner": ["forest"]}},
    "forest.features": {"type": "float", "low": 0.1, "high": 1, "when": {"learner": ["forest"]}},
    "net.learning_rate": {
        "type": "float",
        "low": 1e-5,
        "high": 1e-1,
        "log": True,
        "when": {"learner": ["net"]},
    },
    "net.layers": {"type": "int", "low": 1, "high": 4, "when": {"learner": ["net"]}},
    "net.dropout": {"type": "float", "low": 0, "high": 0.8, "when": {"learner": ["net"]}},
    "boost.eta": {
        "type": "float",
        "low": 1e-3,
        "high": 1.0,
        "log": True,
        "when": {"learner": ["boost"]},
    },
    "boost.depth": {"type": "int", "low": 2, "high": 12, "when": {"learner": ["boost"]}},
    "boost.subsample": {"type": "float", "low": 0.4, "high": 1, "when": {"learner": ["boost"]}},
}
_UNITS = [16, 32, 64, 128, 256, 512]
_NETWORK = {
    "train.optimizer": {"type": "categorical", "values": ["adam", "sgd", "rmsprop"]},
    "train.learning_rate": {"type": "float", "low": 1e-5, "high": 1.0, "log": True},
    "train.momentum": {
        "type": "float",
        "low": 0.0,
        "high": 0.99,
        "when": {"train.optimizer": ["sgd"]},
    },
    "train.batch_size": {"type": "ordinal", "values": [16, 32, 64, 128, 256]},
    "model.layers": {"type": "int", "low": 1, "high": 4},
    "model.units_1": {"type": "ordinal", "values": _UNITS},
    "model.units_2": {"type": "ordinal", "values": _UNITS, "when": {"model.layers": [2, 3, 4]}},
    "model.units_3": {"type": "ordinal", "values": _UNITS, "when": {"model.layers": [3, 4]}},
    "model.units_4": {"type": "ordinal", "values": _UNITS, "when": {"model.layers": [4]}},
    "model.activation": {"type": "categorical", "values": ["relu", "tanh", "gelu", "elu"]},
    "model.dropout": {"type": "float", "low": 0.0, "high": 0.7},
    "model.batch_norm": {"type": "bool"},
}
_MIXED = {
    "a": {"type": "categorical", "values": ["p", "q", "r"]},
    "b": {"type": "categorical", "values": ["s", "t", "u", "v"]},
    "c": {"type": "bool"},
    "x": {"type": "float", "low": 0.0, "high": 1.0},
    "y": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
    "z": {"type": "float", "low": -1.0, "high": 1.0},
    "i": {"type": "int", "low": 0, "high": 10},
    "j": {"type": "int", "low": 1, "high": 128, "log": True},
}
_CHOICES = {
    f"choice_{index}": {"type": "categorical", "values": [f"v{value}" for value in range(size)]}
    for index, size in enumerate((4, 3, 5, 3, 4, 6, 2, 3))
}
_GRID = {
    "kernel": {"type": "categorical", "values": ["rbf", "poly", "linear"]},
    "C": {"type": "ordinal", "values": [2.0**exponent for exponent in range(-5, 7)]},
    "gamma": {
        "type": "ordinal",
        "values": [1e-4, 1e-3, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 20, 50, 100, 1000],
        "when": {"kernel": ["rbf"]},
    },
    "degree": {"type": "ordinal", "values": list(range(2, 11)), "when": {"kernel": ["poly"]}},
}

#: Family → its space, and what makes the formula of a task from the space, the family's generator
#: (the same for each of its tasks) and the task's own.
_FAMILIES = {
    "pipeline": (_PIPELINE, formulas.pipeline),
    "network": (_NETWORK, formulas.network),
    "mixed8": (_MIXED, formulas.mixed),
    "choices": (_CHOICES, formulas.choices),
    "grid": (_GRID, formulas.grid),
}


def structured_tasks() -> dict[str, Callable[[Path | None], list[Task]]]:
    """Return the loaders of these families; they need no folder."""
    return {name: partial(_family, name) for name in _FAMILIES}


def _family(name: str, _folder: Path | None) -> list[Task]:
    definitions, _ = _FAMILIES[name]
    space = SearchSpace.from_json({"parameters": definitions})
    return [_task(name, index, space) for index in range(TASKS)]


def _task(family: str, index: int, space: SearchSpace) -> Task:
    seed = crc32(family.encode())
    _, make = _FAMILIES[family]
    common, own = np.random.default_rng(seed), np.random.default_rng([seed, index])
    value, best = make(space, common, own)
    scale, offset = float(np.exp(own.normal(0, 0.7))), float(own.normal(0, 3))
    return Task(
        name=f"{index:02d}",
        family=family,
        space=space,
        evaluate=lambda params: offset + scale * value(params),
        best=offset + scale * best,
        median=offset + scale * median_value(space, value, _RANDOM),
    )
