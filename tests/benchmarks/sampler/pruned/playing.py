"""One study with a pruner: a number of simulated workers, an epoch of each in turn."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.benchmarks.sampler.pruned.arm import Arm, Job, curve_of
from tests.benchmarks.sampler.tasks.task import Task, place
from tuner.space import Params

#: So near a bound, as a share of the range, counts as at it.
_AT_BOUND = 1e-3


@dataclass(frozen=True)
class End:
    """A whole training: epochs of the study spent by then, what it said, what it is worth."""

    spent: int
    told: float
    value: float


@dataclass
class PlayedEpochs:
    """What a study was."""

    ends: list[End] = field(default_factory=list)
    #: Share of the numbers of each proposal that lie at a bound, in the order of asking.
    at_bound: list[float] = field(default_factory=list)
    ask_s: list[float] = field(default_factory=list)
    #: Epochs of the study spent at each proposal.
    asked_at: list[int] = field(default_factory=list)


@dataclass
class _Running:
    job: Job
    curve: Sequence[float]
    done: int


def play_epochs(
    task: Task, arm: Arm, *, budget: int, workers: int = 1, most_trials: int = 1000
) -> PlayedEpochs:
    """Run until `budget` epochs are spent, or `most_trials` jobs were asked for."""
    played, running, spent = PlayedEpochs(), list[_Running](), 0
    while spent < budget:
        while len(running) < workers and len(played.at_bound) < most_trials:
            job = _ask(task, arm, played, spent)
            running.append(_Running(job, curve_of(task, job.params), job.start))
        if not running:
            break
        for each in list(running):
            spent += 1
            if _advance(task, arm, each, spent, played):
                running.remove(each)
    return played


def _advance(task: Task, arm: Arm, each: _Running, spent: int, played: PlayedEpochs) -> bool:
    """Train one epoch; return whether that was the last one."""
    each.done += 1
    ticket, value = each.job.ticket, float(each.curve[each.done - 1])
    if not math.isfinite(value):
        arm.end(ticket, None)
        return True
    stops = arm.report(ticket, each.done, value)
    if each.done == len(each.curve):
        final = (task.told or task.evaluate)(each.job.params)
        arm.end(ticket, final)
        played.ends.append(End(spent, final, task.evaluate(each.job.params)))
        return True
    if stops or each.done == each.job.stop:
        arm.end(ticket, None)
        return True
    return False


def _ask(task: Task, arm: Arm, played: PlayedEpochs, spent: int) -> Job:
    start = time.process_time()
    job = arm.ask()
    played.ask_s.append(time.process_time() - start)
    played.at_bound.append(at_bound(task, job.params))
    played.asked_at.append(spent)
    return job


def at_bound(task: Task, params: Params) -> float:
    """Return the share of the active numbers of a configuration that lie at a bound."""
    places = [
        place(item, params[item.name])
        for item in task.space.parameters
        if item.kind in ("float", "int") and item.name in params
    ]
    if not places:
        return 0.0
    return sum(not _AT_BOUND <= at <= 1 - _AT_BOUND for at in places) / len(places)
