"""The BBOB tasks of the development subset of CARP-S for black boxes, by the package `ioh`.

The subset (20 tasks in carps 1.1.0) has four of them; the others need tables that no package
ships. Dimension, function, instance and number of trials are CARP-S'.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from tests.benchmarks.sampler.tasks.task import NoDataError, Task
from tuner.space import Parameter, Params, SearchSpace

#: Dimension, function, instance, and the trials that CARP-S gives them.
CARPS = ((2, 12, 0, 77), (2, 12, 1, 77), (2, 20, 0, 77), (4, 6, 1, 100))
_RANDOM = 4096


def bbob_tasks() -> list[Task]:
    """Return the four tasks.

    Raises:
        NoDataError: ioh is missing.
    """
    try:
        import ioh
    except ImportError as exc:
        raise NoDataError("bbob: needs ioh: pip install ioh") from exc
    return [_task(ioh, dimension, function, at) for dimension, function, at, _ in CARPS]


def _task(ioh: Any, dimension: int, function: int, instance: int) -> Task:
    problem = ioh.get_problem(fid=function, instance=instance, dimension=dimension)
    low, high = problem.bounds.lb, problem.bounds.ub
    axes = tuple(
        Parameter(name=f"x{i}", kind="float", low=low[i], high=high[i]) for i in range(dimension)
    )
    evaluate = partial(_evaluate, problem)
    random = np.random.default_rng(instance).uniform(low, high, (_RANDOM, dimension))
    return Task(
        name=f"{dimension}-{function}-{instance}",
        family="bbob",
        space=SearchSpace(parameters=axes),
        evaluate=evaluate,
        best=float(problem.optimum.y),
        median=float(np.median([problem(list(x)) for x in random])),
    )


def _evaluate(problem: Any, params: Params) -> float:
    return float(problem([params[name] for name in sorted(params)]))
