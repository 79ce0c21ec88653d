"""Gates on single studies, for CI: what once went wrong in all of them is counted, not compared.

How far the limits lie from what is measured stands in `docs/sampler-benchmarks.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from tests.benchmarks.sampler.failing import MOST_FAILED, run_failing
from tests.benchmarks.sampler.methods import Problem, make_method
from tests.benchmarks.sampler.play import play
from tests.benchmarks.sampler.pruned.arm import PrunedProblem, epochs_of
from tests.benchmarks.sampler.pruned.arms import make_arm
from tests.benchmarks.sampler.pruned.playing import PlayedEpochs, play_epochs
from tests.benchmarks.sampler.tasks import load_family
from tests.benchmarks.sampler.tasks.failing import failing_tasks
from tests.benchmarks.sampler.tasks.trap import trap

_PRUNED_TRIALS = 20
_PRUNED_SEEDS = (11, 12, 13)
_FAILING_SEEDS = (0, 1, 2)
_STALLED_TRIALS = 45
_STALLED_SEEDS = (0, 1, 2, 3, 4)


@dataclass(frozen=True, kw_only=True)
class Guard:
    """A number of each of several studies that is not to exceed its limit."""

    claim: str
    measure: Callable[[], Sequence[float]]
    limit: float


@cache
def pruned_studies() -> tuple[PlayedEpochs, ...]:
    """Return the studies of the demo with our sampler and `asha`, as README shows them."""
    task = load_family("demo", None)[0]
    epochs = epochs_of(task)
    budget = _PRUNED_TRIALS * epochs
    return tuple(
        play_epochs(
            task,
            make_arm(
                "bayesian",
                PrunedProblem(task=task, pruner="asha", seed=seed, epochs=epochs, budget=budget),
            ),
            budget=budget,
            most_trials=_PRUNED_TRIALS,
        )
        for seed in _PRUNED_SEEDS
    )


def _corners() -> list[float]:
    return [sum(at >= 0.8 for at in study.at_bound) for study in pruned_studies()]


def _stopped() -> list[float]:
    return [_PRUNED_TRIALS - len(study.ends) for study in pruned_studies()]


def _regrets() -> list[float]:
    task = load_family("demo", None)[0]
    best = [min((end.value for end in study.ends), default=np.inf) for study in pruned_studies()]
    return [min(1.0, (value - task.best) / (task.median - task.best)) for value in best]


def _failures(shape: str) -> Guard:
    def measure() -> list[float]:
        task = failing_tasks()[shape]
        return [run_failing(task, "bayesian", seed).count for seed in _FAILING_SEEDS]

    claim = f"few trials fail where {_WHERE[shape]}"
    return Guard(claim=claim, measure=measure, limit=MOST_FAILED)


_WHERE = {"half": "half of the space raises", "choice": "a choice never works"}


def _left_valleys() -> list[float]:
    task = trap()
    return [
        min(
            play(
                task,
                make_method("cold", Problem(space=task.space, seed=seed, trials=_STALLED_TRIALS)),
                trials=_STALLED_TRIALS,
                pending=1,
                seed=seed,
            ).values
        )
        for seed in _STALLED_SEEDS
    ]


GUARDS = (
    # The wide valley ends at 0, the narrow one at -0.5.
    Guard(claim="a stalled search leaves its valley", measure=_left_valleys, limit=-0.3),
    Guard(claim="with a pruner it does not search the corners", measure=_corners, limit=3),
    Guard(
        claim="with a pruner trials run to their end", measure=_stopped, limit=_PRUNED_TRIALS - 5
    ),
    Guard(claim="with a pruner it finds what is good", measure=_regrets, limit=0.02),
    *(_failures(shape) for shape in _WHERE),
)
