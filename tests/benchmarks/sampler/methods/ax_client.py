"""Ax, by its `Client`, with its own choice of models."""

from __future__ import annotations

import logging
from typing import Any

import torch
from ax.api.client import Client
from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

from tests.benchmarks.sampler.methods.method import Method, Problem
from tuner.space import Parameter, Params, SearchSpace, Value


class AxMethod:
    """Ax knows conditions as `dependent_parameters` of one value of a choice.

    A parameter that is active for several values is always active for Ax, and its value is ignored
    where it is not active here.
    """

    insight: dict[str, Any] | None = None

    def __init__(self, problem: Problem) -> None:
        # Each of its loggers has a level of its own.
        logging.disable(logging.WARNING)
        torch.set_num_threads(1)
        self._space = problem.space
        self._client = Client(random_seed=problem.seed)
        self._client.configure_experiment(
            parameters=[_config(problem.space, item) for item in problem.space.parameters]
        )
        self._client.configure_optimization(objective="-value")

    def ask(self) -> tuple[int, Params]:
        """Return the next trial."""
        ((ticket, values),) = self._client.get_next_trials(max_trials=1).items()
        return ticket, self._space.walk(lambda item: _back(item, values[_name(item.name)]))

    def tell(self, ticket: int, value: float) -> None:
        """Complete the trial."""
        self._client.complete_trial(trial_index=ticket, raw_data={"value": value})


def client(problem: Problem) -> Method:
    """Return it with its own settings."""
    return AxMethod(problem)


def _name(name: str) -> str:
    # Ax reads names as parts of formulas.
    return name.replace(".", "__")


def _config(space: SearchSpace, item: Parameter) -> Any:
    children = _children(space, item)
    if item.values or children:
        values = list(item.values) or [item.at(index) for index in range(item.size or 0)]
        types: dict[type, str] = {bool: "bool", int: "int", float: "float", str: "str"}
        return ChoiceParameterConfig(
            name=_name(item.name),
            values=values,
            parameter_type=types[type(values[0])],
            is_ordered=item.kind in ("ordinal", "int"),
            dependent_parameters=children or None,
        )
    low, high = item.bounds
    return RangeParameterConfig(
        name=_name(item.name),
        bounds=(low, high),
        parameter_type="int" if item.kind == "int" else "float",
        scaling="log" if item.log else "linear",
    )


def _children(space: SearchSpace, parent: Parameter) -> dict[Value, list[str]]:
    found: dict[Value, list[str]] = {}
    for item in space.parameters:
        if len(item.when) == 1 and item.when[0].parent == parent.name:
            values = item.when[0].values
            if len(values) == 1:
                found.setdefault(values[0], []).append(_name(item.name))
    return found


def _back(item: Parameter, value: Any) -> Value:
    if item.kind == "int":
        return int(value)
    if item.kind != "float":
        return item.canonical(value)
    # Rounding of logarithms may leave the range by the last digit.
    low, high = item.bounds
    return float(min(max(value, low), high))
