"""DEHB, differential evolution with Hyperband, by ask and tell."""

from __future__ import annotations

import tempfile
from typing import Any

from dehb import DEHB
from typing_extensions import override

from tests.benchmarks.sampler.methods.configspace import from_configuration, to_configspace
from tests.benchmarks.sampler.pruned.arm import Arm, PrunedProblem
from tests.benchmarks.sampler.pruned.resuming import ResumingArm
from tuner.space import Params

#: Whole trainings are so many times as long as the shortest: three rungs at a reduction of 3.
SHARES = 27


class DehbArm(ResumingArm):
    """With its own settings; from a 27th of a training on, at least one epoch."""

    def __init__(self, problem: PrunedProblem) -> None:
        super().__init__(problem)
        self._folder = tempfile.TemporaryDirectory()
        self._dehb = DEHB(
            cs=to_configspace(problem.task.space, problem.seed),
            min_fidelity=max(1.0, problem.epochs / SHARES),
            max_fidelity=float(problem.epochs),
            eta=3,
            seed=problem.seed,
            n_workers=1,
            output_path=self._folder.name,
            log_level="ERROR",
            save_freq="end",
        )

    @override
    def next_wanted(self) -> tuple[Any, Params, float]:
        job = self._dehb.ask()
        return job, from_configuration(self.problem.task.space, job["config"]), job["fidelity"]

    @override
    def learn(self, token: Any, value: float) -> None:
        self._dehb.tell(token, {"fitness": value, "cost": token["fidelity"]})


def dehb(problem: PrunedProblem) -> Arm:
    """Return it for one run."""
    return DehbArm(problem)
