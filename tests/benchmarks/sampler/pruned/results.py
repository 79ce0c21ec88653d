"""Results of studies with a pruner: a line of JSON for each, added when it ends."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from tests.benchmarks.sampler.tasks.task import Array

#: Points of the budget at which a regret curve is kept.
GRID = 200


@dataclass(frozen=True)
class PrunedKey:
    """What two lines must share to be the same run."""

    task: str
    arm: str
    pruner: str
    workers: int
    history: str
    seed: int
    #: Budget in whole trainings.
    full: int
    code: str


@dataclass(frozen=True, kw_only=True)
class PrunedRun:
    """One study as it is kept; values are not normalised."""

    task: str
    arm: str
    pruner: str
    workers: int
    history: str
    seed: int
    full: int
    code: str
    epochs: int
    best: float
    median: float
    #: Of each whole training: epochs spent by then, what was told, what it is worth.
    ends: tuple[tuple[int, float, float], ...]
    #: Of each proposal: epochs spent by then, share of its numbers at a bound, processor seconds.
    asked: tuple[tuple[int, float, float], ...]

    @property
    def family(self) -> str:
        """Return the family of the task."""
        return self.task.partition("/")[0]

    @property
    def budget(self) -> int:
        """Return the budget in epochs."""
        return self.full * self.epochs

    @property
    def key(self) -> PrunedKey:
        """Return what makes the run unique."""
        return PrunedKey(
            self.task,
            self.arm,
            self.pruner,
            self.workers,
            self.history,
            self.seed,
            self.full,
            self.code,
        )

    def regrets(self) -> Array:
        """Return the normalised regret at `GRID` equal steps of the budget, (GRID,).

        It is of the whole training that told the least so far, by its true value: 1 before the
        first, cut at 1.
        """
        found = np.ones(GRID)
        told = np.inf
        for spent, said, value in self.ends:
            if said < told:
                told = said
                regret = np.clip((value - self.best) / (self.median - self.best), 0.0, 1.0)
                # Step i stands for what is known after (i + 1) / GRID of the budget.
                found[max(0, int(np.ceil(spent / self.budget * GRID)) - 1) :] = regret
        return found

    def at_bound(self) -> float:
        """Return the mean share of the numbers of a proposal that lie at a bound."""
        return float(np.mean([share for _, share, _ in self.asked]))

    def corners(self) -> int:
        """Return how many proposals have at least 80 % of their numbers at bounds."""
        return sum(share >= 0.8 for _, share, _ in self.asked)


@dataclass
class PrunedFile:
    """A file of runs that is added to; what stands in it is not run again."""

    path: Path
    _done: set[PrunedKey] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Read what was done before."""
        self._done = {run.key for run in read_pruned([self.path])}

    def __contains__(self, key: PrunedKey) -> bool:
        """Whether such a run stands in the file."""
        return key in self._done

    def add(self, run: PrunedRun) -> None:
        """Append one run."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(_short(run)) + "\n")
        self._done.add(run.key)


def read_pruned(paths: Iterable[Path]) -> Iterator[PrunedRun]:
    """Yield the runs of files; a line that was cut off while it was written is left out."""
    for path in paths:
        if not path.is_file():
            continue
        for line in path.read_text().splitlines():
            try:
                data = json.loads(line)
            except ValueError:
                continue
            lists = {name: tuple(map(tuple, data[name])) for name in ("ends", "asked")}
            yield PrunedRun(**{**data, **lists})


def _short(run: PrunedRun) -> dict[str, object]:
    data = asdict(run)
    data["asked"] = [[spent, round(at, 3), round(s, 4)] for spent, at, s in run.asked]
    return data
