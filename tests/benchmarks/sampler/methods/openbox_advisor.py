"""OpenBox with transfer, by its advisor: RGPE, and a stack of Gaussian processes as Vizier has."""

from __future__ import annotations

import logging
import tempfile
from typing import Any

from ConfigSpace import Configuration
from openbox import Advisor, History, Observation

from tests.benchmarks.sampler.history.source_study import SourceStudy
from tests.benchmarks.sampler.methods.configspace import (
    from_configuration,
    to_configspace,
    to_plain,
)
from tests.benchmarks.sampler.methods.method import Method, Problem
from tuner.space import Params


class OpenBoxMethod:
    """With its own settings but the surrogate; what is pending it is not told."""

    insight: dict[str, Any] | None = None

    def __init__(self, problem: Problem, surrogate: str) -> None:
        logging.disable(logging.WARNING)
        self._space = problem.space
        self._configspace = to_configspace(problem.space, problem.seed)
        self._folder = tempfile.TemporaryDirectory()
        self._advisor = Advisor(
            self._configspace,
            surrogate_type=surrogate,
            transfer_learning_history=[self._history(study) for study in problem.history],
            task_id="target",
            random_state=problem.seed,
            output_dir=self._folder.name,
            logger_kwargs={"level": "ERROR", "stream": None},
        )
        self._open: dict[int, Any] = {}
        self._asked = 0

    def ask(self) -> tuple[int, Params]:
        """Return the next trial."""
        configuration = self._advisor.get_suggestion()
        self._asked += 1
        self._open[self._asked] = configuration
        return self._asked, from_configuration(self._space, dict(configuration))

    def tell(self, ticket: int, value: float) -> None:
        """Tell what it came to."""
        configuration = self._open.pop(ticket)
        self._advisor.update_observation(Observation(config=configuration, objectives=[value]))

    def _history(self, study: SourceStudy) -> Any:
        history = History(task_id=study.name, config_space=self._configspace)
        for params, value in zip(study.params, study.values, strict=True):
            values = {name: to_plain(self._space[name], found) for name, found in params.items()}
            configuration = Configuration(self._configspace, values=values)
            history.update_observation(Observation(config=configuration, objectives=[value]))
        return history


def rgpe(problem: Problem) -> Method:
    """A weighted ensemble by ranks."""
    return OpenBoxMethod(problem, "tlbo_rgpe_gp")


def stacking(problem: Problem) -> Method:
    """Each study explains what those before it leave over."""
    return OpenBoxMethod(problem, "tlbo_sgpr_gp")
