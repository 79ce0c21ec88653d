"""Studies played from recorded curves, epoch by epoch, with the pruner that asks history.

Symbols: C configurations, E epochs; values are to be minimised, NaN from where a training diverged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tuner.curves.belief import CurveBelief
from tuner.curves.population import make_population
from tuner.curves.referee import Entry, Referee
from tuner.curves.runs import CurveRun, make_run, ranks
from tuner.curves.table import make_table, merge
from tuner.surrogate.columns import Floats

HALF = 0.5


@dataclass(frozen=True, eq=False)
class Task:
    """A dataset: the curve of every configuration (C, E), and what it came to (C,), inf: failed."""

    name: str
    curves: Floats
    final: Floats

    def sub(self, rows: Sequence[int]) -> Task:
        """Return only some configurations."""
        return Task(self.name, self.curves[list(rows)], self.final[list(rows)])


def make_task(name: str, curves: Floats) -> Task:
    """Return a task whose trials come to the best of their epochs, those that diverged to inf."""
    running = np.fmin.accumulate(np.where(np.isfinite(curves), curves, np.inf), axis=1)
    final = np.where(np.isfinite(curves[:, -1]), running[:, -1], np.inf)
    return Task(name, curves, final)


def runs_of(task: Task) -> list[CurveRun]:
    """Return its trials, each as far as it got."""
    return [_run(curve, len(curve)) for curve in task.curves]


def _run(curve: Floats, upto: int) -> CurveRun:
    alive = int(np.isfinite(curve).sum())
    seen = curve[: min(upto, alive)]
    values = {step: float(value) for step, value in enumerate(seen, start=1)}
    whole = "whole" if upto >= len(curve) else "open"
    return make_run(values, len(curve), "worst" if upto > alive else whole)  # type: ignore[arg-type]


def believe(history: Sequence[Task], top: float, same: Task | None = None) -> CurveBelief:
    """Return what the studies of the history say, and one on the same data, if there is one."""
    studies = [*history, *([] if same is None else [same])]
    tables = {
        share: [make_table(runs_of(task), task.final, share) for task in studies]
        for share in {top, HALF}
    }
    weights = [1.0] * len(studies)
    return CurveBelief(
        top=top,
        chance=merge(tables[top], weights, top),
        half=merge(tables[HALF], weights, HALF),
        population=None if same is None else make_population(runs_of(same)),
        studies=len(studies),
        trials=sum(len(task.final) for task in studies),
        horizon=None,
    )


@dataclass
class Played:
    """What became of a study.

    Attributes:
        used: epochs of each trial.
        stopped: whether it was.
        audited: whether it was condemned and ran on.
        final: what it came to, or would have.
        ended: what it really came to; inf: it was stopped.
        first: number of the first trial that was stopped, counted from 1; None: none was.
    """

    used: list[int] = field(default_factory=list)
    stopped: list[bool] = field(default_factory=list)
    audited: list[bool] = field(default_factory=list)
    final: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)

    @property
    def first(self) -> int | None:
        """Number of the first stopped trial, from 1."""
        return self.stopped.index(True) + 1 if True in self.stopped else None

    def share(self, mask: Sequence[bool], top: float) -> float:
        """Return how many of some trials would have ended in the best `top` of all."""
        good = ranks(np.array(self.final)) < top
        return int((good & np.array(mask)).sum())


Stops = Callable[[list[Entry], int], tuple[bool, float | None]]


def by_history(belief: CurveBelief, confidence: float) -> Stops:
    """Return the pruner's rule: whether a trial ends, and what it is marked with."""
    referee = Referee(belief, confidence)

    def stops(entries: list[Entry], number: int) -> tuple[bool, float | None]:
        verdict = referee.judge(entries, number)
        return verdict.stops, verdict.half if verdict.condemned else None

    return stops


def play(task: Task, order: Sequence[int], stops: Stops, workers: int = 1) -> Played:
    """Play the trials of a study in an order, so many at once, epoch by epoch in turn."""
    size, epochs = len(order), task.curves.shape[1]
    entries = [Entry(run=None) for _ in range(size)]
    used, stopped = [0] * size, [False] * size
    waiting, running = list(range(size)), [0] * 0
    while waiting or running:
        while waiting and len(running) < workers:
            running.append(waiting.pop(0))
        for number in list(running):
            used[number] += 1
            row = order[number]
            curve = task.curves[row]
            run = _run(curve, used[number])
            entries[number] = replace(entries[number], run=run)
            diverged = not np.isfinite(curve[used[number] - 1])
            if used[number] == epochs or diverged:
                final = None if diverged else float(task.final[row])
                entries[number] = replace(entries[number], final=final, has_ended=True)
            elif entries[number].condemned is None:
                ends, mark = stops(entries, number)
                stopped[number] = ends
                entries[number] = replace(entries[number], condemned=mark, has_ended=ends)
            if entries[number].has_ended:
                running.remove(number)
    final_values = [float(task.final[row]) for row in order]
    return Played(
        used=used,
        stopped=stopped,
        audited=[
            entry.condemned is not None and not gone
            for entry, gone in zip(entries, stopped, strict=True)
        ],
        final=final_values,
        ended=[
            np.inf if gone else value for value, gone in zip(final_values, stopped, strict=True)
        ],
    )
