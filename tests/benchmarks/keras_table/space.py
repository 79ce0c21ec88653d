"""What is searched in every dataset of the table, and the configurations that were trained."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from tuner.space import Parameter, Params, SearchSpace, Value

SPACE = SearchSpace.from_json(
    {
        "parameters": {
            "optimizer.name": {"type": "categorical", "values": ["sgd", "adam", "rmsprop"]},
            "optimizer.learning_rate": {"type": "float", "low": 1e-4, "high": 0.5, "log": True},
            "optimizer.momentum": {
                "type": "float",
                "low": 0.0,
                "high": 0.99,
                "when": {"optimizer.name": ["sgd"]},
            },
            "train.batch_size": {"type": "int", "low": 16, "high": 256, "log": True},
            "train.weight_decay": {"type": "float", "low": 1e-5, "high": 0.3, "log": True},
            "model.layers": {"type": "int", "low": 1, "high": 4},
            "model.units": {"type": "int", "low": 8, "high": 256, "log": True},
            "model.activation": {"type": "categorical", "values": ["relu", "tanh", "elu"]},
            "model.dropout": {"type": "float", "low": 0.0, "high": 0.7},
        }
    }
)

#: Of the scrambling of the Sobol points; another one gives other configurations.
_SEED = 20261123


def configurations(count: int) -> list[Params]:
    """Return the first `count` configurations; more of them begin with the same ones.

    They are the points of a scrambled Sobol sequence, one axis per parameter.
    """
    exponent = max(0, math.ceil(math.log2(count)))
    sobol = qmc.Sobol(len(SPACE), scramble=True, rng=np.random.default_rng(_SEED))
    return [_at(point) for point in sobol.random_base2(exponent)[:count]]


def _at(point: NDArray[np.float64]) -> Params:
    places = dict(zip(SPACE.names, point, strict=True))
    return SPACE.walk(lambda parameter: _value(parameter, float(places[parameter.name])))


def _value(parameter: Parameter, place: float) -> Value:
    """Return the value at `place` in [0, 1) of the parameter's own scale."""
    if parameter.values:
        return parameter.values[int(place * len(parameter.values))]
    low, high = parameter.bounds
    if parameter.kind == "int":
        # Each whole number gets the share of the scale that is nearest to it.
        whole = round(_between(low - 0.5, high + 0.5, place, log=parameter.log))
        return min(max(whole, int(low)), int(high))
    value = float(f"{_between(low, high, place, log=parameter.log):.6g}")
    return min(max(value, low), high)


def _between(low: float, high: float, place: float, *, log: bool) -> float:
    return float(low * (high / low) ** place) if log else low + (high - low) * place
