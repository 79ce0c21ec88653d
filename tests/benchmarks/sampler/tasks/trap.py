"""A wide valley that a search likes to stay in, and a narrow one, far away, that is better."""

from __future__ import annotations

import numpy as np

from tests.benchmarks.sampler.tasks.task import Task, median_value
from tuner.space import Parameter, Params, SearchSpace

_WIDE, _NARROW = 0.25, 0.8
#: Deviation of the narrow valley in each parameter, and how deep it is.
_WIDTH, _DEPTH = 0.15, 0.8


def trap() -> Task:
    """Return the task of three parameters; the valleys end at 0 and at about -0.5."""
    space = SearchSpace(
        parameters=tuple(
            Parameter(name=f"x{index}", kind="float", low=0.0, high=1.0) for index in range(3)
        )
    )
    best = _value(dict.fromkeys(("x0", "x1", "x2"), 0.7935))
    return Task(
        name="narrow",
        family="trap",
        space=space,
        evaluate=_value,
        best=best,
        median=median_value(space, _value),
    )


def _value(params: Params) -> float:
    x = np.array(list(params.values()), dtype=float)
    near = float(np.sum((x - _NARROW) ** 2)) / (2 * _WIDTH**2)
    return float(np.mean((x - _WIDE) ** 2)) - _DEPTH * float(np.exp(-near))
