"""Searches of all sides on the same seeds, in turn, and the figures of each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.benchmarks.figure import median
from tests.benchmarks.side_by_side.digits_hypermodel import EPOCHS
from tests.benchmarks.side_by_side.sides import SIDES, Side, Training, search

#: Shares of the budget of epochs at which the best loss is read.
SHARES = (0.25, 0.5, 1.0)


@dataclass(frozen=True, kw_only=True)
class SideFigures:
    """What one search came to."""

    side: Side
    seed: int
    #: From the command to the end of the last training, seconds.
    wall_s: float
    #: Best validation loss at `SHARES` of the epochs.
    losses: tuple[float, ...]
    #: Between the end of a training and the begin of the next, median, seconds.
    between_s: float
    trainings: int
    #: Trainings of a configuration that had been trained before; Hyperband's later rungs excepted.
    repeated: int


def compare(trials: int, seeds: int) -> Iterator[SideFigures]:
    """Run every side once for each seed, the sides in turn: the machine's mood hits all alike."""
    for seed in range(1, seeds + 1):
        for side in SIDES:
            with search(side, trials, seed) as found:
                yield _figures(side, seed, found.run(), trials * EPOCHS)


def _figures(side: Side, seed: int, trainings: Sequence[Training], budget: int) -> SideFigures:
    ordered = sorted(trainings, key=lambda training: training.began_s)
    gaps = [
        max(0.0, after.began_s - before.ended_s) for before, after in itertools.pairwise(ordered)
    ]
    return SideFigures(
        side=side,
        seed=seed,
        wall_s=max((training.ended_s for training in trainings), default=math.nan),
        losses=tuple(_best(trainings, share * budget) for share in SHARES),
        between_s=median(gaps),
        trainings=len(trainings),
        repeated=_repeated(trainings),
    )


def _best(trainings: Sequence[Training], epochs: float) -> float:
    """Return the smallest loss of the trainings that ended within so many epochs."""
    used, best = 0, math.inf
    for training in sorted(trainings, key=lambda training: training.ended_s):
        used += training.epochs
        if used > epochs and best < math.inf:
            break
        best = min(best, math.inf if training.loss is None else training.loss)
    return best


def _repeated(trainings: Sequence[Training]) -> int:
    """Count whole repetitions; KerasTuner's Hyperband names the rung in its values."""
    seen = [repr(sorted(training.values.items())) for training in trainings]
    return len(seen) - len(set(seen))
