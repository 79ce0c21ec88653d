"""SMAC's Hyperband with its random forests (BOHB's successor), by ask and tell."""

from __future__ import annotations

import logging
import tempfile
from typing import Any

from smac import MultiFidelityFacade, Scenario
from smac.runhistory.dataclasses import TrialValue
from typing_extensions import override

from tests.benchmarks.sampler.methods.configspace import from_configuration, to_configspace
from tests.benchmarks.sampler.pruned.arm import Arm, PrunedProblem
from tests.benchmarks.sampler.pruned.resuming import ResumingArm
from tuner.space import Params

#: Whole trainings are so many times as long as the shortest: three rungs at a reduction of 3.
SHARES = 27


class SmacHyperband(ResumingArm):
    """With its own settings; from a 27th of a training on, at least one epoch."""

    def __init__(self, problem: PrunedProblem) -> None:
        super().__init__(problem)
        logging.disable(logging.WARNING)
        self._folder = tempfile.TemporaryDirectory()
        scenario = Scenario(
            to_configspace(problem.task.space, problem.seed),
            output_directory=self._folder.name,
            n_trials=100_000,
            min_budget=max(1.0, problem.epochs / SHARES),
            max_budget=float(problem.epochs),
            deterministic=True,
            seed=problem.seed,
        )
        self._smac = MultiFidelityFacade(scenario, _never, logging_level=False, overwrite=True)

    @override
    def next_wanted(self) -> tuple[Any, Params, float]:
        info = self._smac.ask()
        return info, from_configuration(self.problem.task.space, info.config), info.budget

    @override
    def learn(self, token: Any, value: float) -> None:
        self._smac.tell(token, TrialValue(cost=value), save=False)


def hyperband(problem: PrunedProblem) -> Arm:
    """Return it for one run."""
    return SmacHyperband(problem)


def _never(_config: Any, seed: int = 0, budget: float = 0.0) -> float:
    raise AssertionError("asked and told, never called")
