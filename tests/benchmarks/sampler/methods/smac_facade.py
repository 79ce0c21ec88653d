"""SMAC3, by ask and tell of its facades, with their own settings."""

from __future__ import annotations

import logging
import tempfile
from typing import Any

from smac import BlackBoxFacade, HyperparameterOptimizationFacade, Scenario
from smac.runhistory.dataclasses import TrialValue

from tests.benchmarks.sampler.methods.configspace import from_configuration, to_configspace
from tests.benchmarks.sampler.methods.method import Method, Problem
from tuner.space import Params


class SmacMethod:
    """One evaluation of each configuration: the tasks are not told as noisy."""

    insight: dict[str, Any] | None = None

    def __init__(self, problem: Problem, facade: type[Any]) -> None:
        logging.disable(logging.WARNING)
        self._space = problem.space
        self._folder = tempfile.TemporaryDirectory()
        scenario = Scenario(
            to_configspace(problem.space, problem.seed),
            output_directory=self._folder.name,
            n_trials=problem.trials,
            deterministic=True,
            seed=problem.seed,
        )
        self._smac = facade(scenario, _never, logging_level=False, overwrite=True)
        self._open: dict[int, Any] = {}
        self._asked = 0

    def ask(self) -> tuple[int, Params]:
        """Return the next trial."""
        info = self._smac.ask()
        self._asked += 1
        self._open[self._asked] = info
        return self._asked, from_configuration(self._space, info.config)

    def tell(self, ticket: int, value: float) -> None:
        """Tell what it came to."""
        self._smac.tell(self._open.pop(ticket), TrialValue(cost=value), save=False)


def forest(problem: Problem) -> Method:
    """Random forests, what SMAC advises for hyperparameters."""
    return SmacMethod(problem, HyperparameterOptimizationFacade)


def gaussian(problem: Problem) -> Method:
    """Gaussian processes, what SMAC advises for few continuous ones."""
    return SmacMethod(problem, BlackBoxFacade)


def _never(_config: Any, seed: int = 0) -> float:
    raise AssertionError("asked and told, never called")
