"""NePS' PriorBand, by ask and tell.

Its prior is what everyone knows of a space: its middle, with the lowest confidence. It knows no
conditions (inactive parameters are ignored here).
"""

from __future__ import annotations

import logging
from typing import Any

import neps
import numpy as np
import torch
from neps.optimizers.algorithms import priorband as make_priorband
from typing_extensions import override

from tests.benchmarks.sampler.methods.values import from_plain
from tests.benchmarks.sampler.pruned.arm import Arm, PrunedProblem
from tests.benchmarks.sampler.pruned.resuming import ResumingArm
from tuner.space import Parameter, Params

#: Whole trainings are so many times as long as the shortest: three rungs at a reduction of 3.
SHARES = 27
_EPOCHS = "epochs_of_the_job"


class PriorBandArm(ResumingArm):
    """With its own settings; from a 27th of a training on, at least one epoch."""

    def __init__(self, problem: PrunedProblem) -> None:
        super().__init__(problem)
        logging.disable(logging.WARNING)
        torch.set_num_threads(1)
        # It draws from the global states.
        torch.manual_seed(problem.seed)
        np.random.seed(problem.seed)
        space = neps.SearchSpace(
            {item.name: _parameter(item) for item in problem.task.space.parameters}
            | {
                _EPOCHS: neps.HPOInteger(
                    lower=max(1, round(problem.epochs / SHARES)),
                    upper=problem.epochs,
                    is_fidelity=True,
                )
            }
        )
        self._neps = neps.AskAndTell(make_priorband(space))

    @override
    def next_wanted(self) -> tuple[Any, Params, float]:
        trial = self._neps.ask()
        values = trial.config
        params = self.problem.task.space.walk(lambda item: from_plain(item, values[item.name]))
        return trial, params, values[_EPOCHS]

    @override
    def learn(self, token: Any, value: float) -> None:
        self._neps.tell(token, value)


def priorband(problem: PrunedProblem) -> Arm:
    """Return it for one run."""
    return PriorBandArm(problem)


def _parameter(item: Parameter) -> Any:
    if item.kind == "ordinal":
        last = len(item.values) - 1
        return neps.HPOInteger(lower=0, upper=last, prior=last // 2, prior_confidence="low")
    if item.values:
        choices = [str(value) for value in item.values]
        return neps.HPOCategorical(choices=choices, prior=choices[0], prior_confidence="low")
    low, high = item.bounds
    middle = float(np.sqrt(low * high)) if item.log else (low + high) / 2
    if item.kind == "int":
        return neps.HPOInteger(
            lower=int(low),
            upper=int(high),
            log=item.log,
            prior=round(middle),
            prior_confidence="low",
        )
    return neps.HPOFloat(
        lower=float(low), upper=float(high), log=item.log, prior=middle, prior_confidence="low"
    )
