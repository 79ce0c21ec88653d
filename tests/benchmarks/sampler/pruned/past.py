"""Earlier studies with their curves, those that were stopped among them."""

from __future__ import annotations

from functools import cache
from zlib import crc32

import numpy as np

from tests.benchmarks.sampler.history.building import HistoryError, HistorySpec
from tests.benchmarks.sampler.pruned.arm import Past, PrunedProblem, epochs_of
from tests.benchmarks.sampler.tasks.task import Task

#: Every second study was pruned so; the others ran all their trials to the end.
_PRUNER = "asha"


def past_of(target: Task, family: list[Task], spec: HistorySpec, seed: int) -> Past:
    """Return the history of one run: studies of other tasks of the family, made by TPE.

    Raises:
        HistoryError: the kind is not made with curves, or the family has too few other tasks.
    """
    if spec.kind == "none":
        return ()
    if spec.kind != "related":
        raise HistoryError(f"history {spec}: with curves there are none and related")
    others = [task for task in family if task.name != target.name]
    if len(others) < spec.studies:
        raise HistoryError(f"{target.key}: {len(others)} other tasks in its family, too few")
    rng = np.random.default_rng([crc32(target.key.encode()), seed])
    chosen = [others[int(index)] for index in rng.permutation(len(others))[: spec.studies]]
    return tuple(
        _study(task, spec.trials, seed, "none" if index % 2 else _PRUNER)
        for index, task in enumerate(chosen)
    )


class _Key:
    """A task by its key: tasks hold functions and cannot be compared."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.task.key == self.task.key

    def __hash__(self) -> int:
        return hash(self.task.key)


def _study(task: Task, trials: int, seed: int, pruner: str) -> Past:
    return _made(_Key(task), trials, seed, pruner)


@cache
def _made(key: _Key, trials: int, seed: int, pruner: str) -> Past:
    from tests.benchmarks.sampler.pruned.optuna_arm import OptunaArm, tpe
    from tests.benchmarks.sampler.pruned.playing import play_epochs

    task = key.task
    epochs = epochs_of(task)
    budget = trials * epochs
    source_seed = crc32(f"{task.key} {trials} {seed} {pruner}".encode())
    problem = PrunedProblem(
        task=task, pruner=pruner, seed=source_seed, epochs=epochs, budget=budget
    )
    arm = tpe(problem)
    assert isinstance(arm, OptunaArm)
    play_epochs(task, arm, budget=budget, most_trials=trials)
    return tuple(trial for trial in arm.study.trials if trial.state.name in ("COMPLETE", "PRUNED"))
