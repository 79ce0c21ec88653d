"""HEBO, by suggest and observe. It knows no conditions: inactive parameters are ignored here."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO

from tests.benchmarks.sampler.methods.method import Method, Problem
from tests.benchmarks.sampler.methods.values import from_plain
from tuner.space import Parameter, Params


class HeboMethod:
    """It is not told what is pending."""

    insight: dict[str, Any] | None = None

    def __init__(self, problem: Problem) -> None:
        warnings.simplefilter("ignore")
        torch.set_num_threads(1)
        # Some of what it draws comes from the global states.
        torch.manual_seed(problem.seed)
        np.random.seed(problem.seed)
        self._space = problem.space
        space = DesignSpace().parse([_parameter(item) for item in problem.space.parameters])
        self._hebo = HEBO(space, scramble_seed=problem.seed)
        self._open: dict[int, Any] = {}
        self._asked = 0

    def ask(self) -> tuple[int, Params]:
        """Return the next trial."""
        row = self._hebo.suggest(n_suggestions=1)
        self._asked += 1
        self._open[self._asked] = row
        values = row.iloc[0].to_dict()
        return self._asked, self._space.walk(lambda item: from_plain(item, values[item.name]))

    def tell(self, ticket: int, value: float) -> None:
        """Tell what it came to."""
        self._hebo.observe(self._open.pop(ticket), np.array([[value]]))


def optimizer(problem: Problem) -> Method:
    """Return it with its own settings."""
    return HeboMethod(problem)


def _parameter(item: Parameter) -> dict[str, Any]:
    if item.kind == "ordinal":
        return {"name": item.name, "type": "int", "lb": 0, "ub": len(item.values) - 1}
    if item.values:
        values = [str(value) for value in item.values]
        return {"name": item.name, "type": "cat", "categories": values}
    low, high = item.bounds
    kind = {("float", False): "num", ("float", True): "pow", ("int", False): "int"}
    name = kind.get((item.kind, item.log), "pow_int")
    base = {"base": 10} if item.log else {}
    return {"name": item.name, "type": name, "lb": low, "ub": high, **base}
