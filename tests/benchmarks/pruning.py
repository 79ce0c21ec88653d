"""What pruning by history saves and costs, on the table of Keras trainings, one dataset left out.

`python -m tests.benchmarks pruning`. The history is one study of `TRIALS` trials of each of the
other datasets; the target is a study of as many, of which every curve is known, so that it can be
said what a stopped trial would have come to. Two kinds of studies:

- random: configurations at random.
- improving: the i-th of n comes from the best 1 - 0.8 i/n of what is left, as a sampler that learns
  would have it: good trials resemble each other, which is harder.

With `--pruning-seeds N` so many orders of each target are played. Regret: 1 is the median
configuration of the dataset, 0 its best one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tests.benchmarks.figure import Figure, median
from tests.benchmarks.keras_table.table import load_table
from tests.benchmarks.pruning_play import Played, Task, believe, by_history, make_task, play
from tuner.curves.belief import CurveBelief
from tuner.surrogate.columns import Floats

TRIALS = 64
CONFIDENCE = 0.9
Kind = Literal["random", "improving"]
#: Changes the history: of the target's number among the tasks, and of the others.
Change = Callable[[Task], Task]


@dataclass(frozen=True)
class Case:
    """A question: which studies, which share, what kind of history."""

    name: str
    top: float
    target: Kind = "random"
    history: Kind = "random"
    same_data: bool = False
    workers: int = 1
    change: Change | None = None
    #: Whether the target's early order is reversed.
    crossing: bool = False


def noise(task: Task) -> Task:
    """Return a study whose ends have nothing to do with its curves."""
    rng = np.random.default_rng(5)
    return Task(task.name, task.curves, rng.permutation(task.final))


def too_sure(task: Task) -> Task:
    """Return a study in which the first epoch already had the final order."""
    curves = np.where(np.isfinite(task.curves), task.curves, np.inf)
    place = np.argsort(np.argsort(task.final, kind="stable"))
    return Task(task.name, np.sort(np.minimum(curves, 1e9), axis=0)[place], task.final)


def crossed(task: Task) -> Task:
    """Return a task whose order is reversed until half of the training."""
    curves = task.curves.copy()
    half = curves.shape[1] // 2
    finite = np.isfinite(curves)
    place = np.argsort(np.argsort(task.final, kind="stable"))
    early = np.sort(np.where(finite[:, :half], curves[:, :half], curves[finite].max()), axis=0)
    curves[:, :half] = early[::-1][place] + np.ptp(curves[finite])
    return make_task(task.name, curves)


CASES = (
    Case("best half", 0.5),
    Case("best half, 4 at once", 0.5, workers=4),
    Case("best half, same data", 0.5, same_data=True),
    Case("best half, improving", 0.5, "improving", "improving"),
    Case("best half, improving, history random", 0.5, "improving", "random"),
    Case("best quarter", 0.25),
    Case("best quarter, 4 at once", 0.25, workers=4),
    Case("best quarter, same data", 0.25, same_data=True),
    Case("best quarter, improving", 0.25, "improving", "improving"),
    Case("best quarter, improving, history random", 0.25, "improving", "random"),
    Case("best half, history is noise", 0.5, change=noise),
    Case("best half, history too sure", 0.5, change=too_sure),
    Case("best half, early order reversed", 0.5, crossing=True),
    Case("best quarter, history is noise", 0.25, change=noise),
    Case("best quarter, history too sure", 0.25, change=too_sure),
    Case("best quarter, early order reversed", 0.25, crossing=True),
)


def measure(seeds: int = 1) -> list[Figure]:
    """Play every case on every dataset."""
    tasks = [make_task(task.name, task.curves()) for task in load_table().tasks]
    return [figure for case in CASES for figure in _figures(case, _play(case, tasks, seeds))]


@dataclass(frozen=True)
class _Outcome:
    saved: float
    stopped: int
    wrong: int
    first: float
    regret: float
    regret_without: float


def _play(case: Case, tasks: Sequence[Task], seeds: int) -> list[_Outcome]:
    found = []
    for at, whole in enumerate(tasks):
        others = [task for other, task in enumerate(tasks) if other != at]
        task = crossed(whole) if case.crossing else whole
        for seed in range(seeds):
            rng = np.random.default_rng([at, seed])
            order = _order(task, case.target, rng)
            belief = _belief(case, others, whole, order, seed)
            played = play(task, order, by_history(belief, CONFIDENCE), case.workers)
            found.append(_outcome(case, task, order, played))
    return found


def _belief(
    case: Case, others: Sequence[Task], whole: Task, order: Sequence[int], seed: int
) -> CurveBelief:
    history = []
    for number, other in enumerate(others):
        rng = np.random.default_rng([11, number, seed])
        study = other.sub(_order(other, case.history, rng))
        history.append(study if case.change is None else case.change(study))
    rest = np.setdiff1d(np.arange(len(whole.final)), order)[:TRIALS]
    return believe(history, case.top, whole.sub(rest.tolist()) if case.same_data else None)


def _order(task: Task, kind: Kind, rng: np.random.Generator) -> list[int]:
    if kind == "random":
        return [int(row) for row in rng.permutation(len(task.final))[:TRIALS]]
    left = np.argsort(task.final, kind="stable").tolist()
    return [
        int(left.pop(rng.integers(max(1, int(len(left) * (1 - 0.8 * i / TRIALS))))))
        for i in range(TRIALS)
    ]


def _outcome(case: Case, task: Task, order: Sequence[int], played: Played) -> _Outcome:
    curves = task.curves[list(order)]
    alive = np.isfinite(curves).sum(axis=1)
    trained = np.minimum(alive + 1, curves.shape[1]).sum()
    return _Outcome(
        saved=1.0 - sum(played.used) / float(trained),
        stopped=sum(played.stopped),
        wrong=int(played.share(played.stopped, case.top)),
        first=float(played.first or TRIALS + 1),
        regret=_regret(task, np.array(played.ended)),
        regret_without=_regret(task, np.array(played.final)),
    )


def _regret(task: Task, ended: Floats) -> float:
    middle, best = float(np.median(task.final)), float(task.final.min())
    return (min(float(ended.min()), middle) - best) / (middle - best)


def _figures(case: Case, found: Sequence[_Outcome]) -> list[Figure]:
    stopped = sum(outcome.stopped for outcome in found)
    wrong = sum(outcome.wrong for outcome in found) / max(1, stopped)
    first = median([outcome.first for outcome in found])
    regret, without = (
        float(np.mean([getattr(outcome, name) for outcome in found]))
        for name in ("regret", "regret_without")
    )
    note = f"first stop: trial {first:g}; regret {regret:.3f}, without pruning {without:.3f}"
    # What is stated is held where history's studies were made as this one is.
    is_stated = case.target == case.history and case.change is None and not case.crossing
    return [
        Figure(
            name=f"{case.name}: epochs saved",
            value=100 * float(np.mean([outcome.saved for outcome in found])),
            unit="%",
            better="high",
            note=note,
        ),
        Figure(
            name=f"{case.name}: of the stopped would have ended there",
            value=100 * wrong,
            unit="%",
            limit=100 * (1 - CONFIDENCE) if is_stated else None,
            note=f"{stopped} of {TRIALS * len(found)} trials were stopped",
        ),
    ]
