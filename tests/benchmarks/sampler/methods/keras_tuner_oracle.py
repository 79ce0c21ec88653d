"""KerasTuner's `BayesianOptimizationOracle`, by its own trial protocol in a temporary folder."""

from __future__ import annotations

import tempfile
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.oracles import BayesianOptimizationOracle

from tests.benchmarks.sampler.methods.method import Method, Problem
from tests.benchmarks.sampler.tasks.task import sample
from tuner.space import Parameter, Params
from tuner.space.kerastuner import to_kerastuner


class OracleMethod:
    """Every trial has a worker of its own: an unfinished one is handed out again to its worker."""

    insight: dict[str, Any] | None = None

    def __init__(self, problem: Problem) -> None:
        self._space = problem.space
        self._rng = np.random.default_rng(problem.seed)
        self._oracle = BayesianOptimizationOracle(
            objective=keras_tuner.Objective("value", "min"),
            max_trials=problem.trials,
            hyperparameters=_hyperparameters(problem),
            seed=problem.seed,
        )
        self._folder = tempfile.TemporaryDirectory()
        self._oracle.verbose = 0
        self._oracle._set_project_dir(self._folder.name, "oracle")
        self._asked = 0
        self._trials: dict[int, Any] = {}

    def ask(self) -> tuple[int, Params]:
        """Return the next trial of the oracle; a random one when it has no new configuration."""
        self._asked += 1
        trial = self._oracle.create_trial(f"worker-{self._asked}")
        values = dict(trial.hyperparameters.values) if trial.hyperparameters else {}
        if trial.status != "RUNNING":
            return self._asked, sample(self._space, self._rng)
        self._trials[self._asked] = trial
        return self._asked, self._space.walk(lambda p: _within(p, values[p.name]))

    def tell(self, ticket: int, value: float) -> None:
        """End the trial."""
        trial = self._trials.pop(ticket, None)
        if trial is not None:
            self._oracle.update_trial(trial.trial_id, {"value": value})
            trial.status = "COMPLETED"
            self._oracle.end_trial(trial)


def oracle(problem: Problem) -> Method:
    """Return it with its own settings."""
    return OracleMethod(problem)


def _within(parameter: Parameter, value: Any) -> Any:
    """Return a value in the range: of an int from 64 to 1024 on a log scale it proposes 1025."""
    if parameter.kind != "int":
        return value
    low, high = parameter.bounds
    return int(np.clip(float(value), low, high))


def _hyperparameters(problem: Problem) -> Any:
    return keras_tuner.HyperParameters.from_config(to_kerastuner(problem.space))
