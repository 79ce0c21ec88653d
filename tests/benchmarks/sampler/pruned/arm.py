"""What a run with a pruner asks of whoever tunes: a job at a time, epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from optuna.trial import FrozenTrial

from tests.benchmarks.sampler.tasks.task import Task
from tuner.space import Params

#: The pruner of whoever stops trials by itself.
OWN = "own"
#: Earlier studies: their trials with all that they reported, the stopped ones among them.
Past = tuple[tuple[FrozenTrial, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A training, or a part of one."""

    ticket: int
    params: Params
    #: Epochs that are done already: a peer may go on with what it has stopped.
    start: int = 0
    #: It ends here at the latest; None: the whole training.
    stop: int | None = None


@dataclass(frozen=True, kw_only=True)
class PrunedProblem:
    """What an arm may know before its first trial."""

    task: Task
    pruner: str
    seed: int
    #: Of a whole training.
    epochs: int
    #: Budget in epochs.
    budget: int
    history: Past = ()


class Arm(Protocol):
    """A sampler with its pruner at work on one task; what was asked and not ended is running."""

    def ask(self) -> Job:
        """Return the next job."""
        ...

    def report(self, ticket: int, step: int, value: float) -> bool:
        """Take the value after an epoch, lower is better; return whether the training stops."""
        ...

    def end(self, ticket: int, final: float | None) -> None:
        """Take what a whole training came to; None: it was stopped, or has reached `Job.stop`."""
        ...


ArmMaker = Callable[[PrunedProblem], Arm]


def epochs_of(task: Task) -> int:
    """Return how many epochs a whole training of a task has.

    Raises:
        ValueError: the task knows no curves.
    """
    if task.curve is None:
        raise ValueError(f"{task.key}: no learning curves are known of this task")
    some = task.pool[0] if task.pool else _first(task)
    return len(task.curve(some))


def _first(task: Task) -> Params:
    return task.space.walk(lambda item: item.at(0) if item.size else item.bounds[0])


def curve_of(task: Task, params: Params) -> Sequence[float]:
    """Return the value after each epoch."""
    if task.curve is None:
        raise ValueError(f"{task.key}: no learning curves are known of this task")
    return task.curve(params)
