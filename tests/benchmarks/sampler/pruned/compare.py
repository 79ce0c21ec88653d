"""Regret over the budget, by arm: what report and goals are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.sampler import stats
from tests.benchmarks.sampler.pruned.results import PrunedRun
from tests.benchmarks.sampler.tasks.task import Array


@dataclass(frozen=True, order=True)
class PrunedArm:
    """One way of tuning, within one family and at one budget."""

    workers: int
    history: str
    pruner: str
    arm: str

    @property
    def name(self) -> str:
        """Return it as a row of a table is called."""
        text = f"{self.arm}, {self.pruner}" if self.pruner != "none" else f"{self.arm}, no pruner"
        return text if self.history == "none" else f"{text}, {self.history}"


#: Task → seed → a row of numbers of that run.
Rows = Mapping[str, Mapping[int, Array]]


@dataclass(frozen=True)
class Side:
    """What is known of one arm: its regret curves, and its shares of numbers at a bound."""

    regrets: Rows
    at_bound: Rows


def sides_of(runs: Iterable[PrunedRun]) -> dict[PrunedArm, Side]:
    """Return the runs by arm; of several lines for one run the last counts."""
    regrets: dict[PrunedArm, dict[str, dict[int, Array]]] = {}
    bounds: dict[PrunedArm, dict[str, dict[int, Array]]] = {}
    for run in runs:
        arm = PrunedArm(run.workers, run.history, run.pruner, run.arm)
        regrets.setdefault(arm, {}).setdefault(run.task, {})[run.seed] = run.regrets()
        bounds.setdefault(arm, {}).setdefault(run.task, {})[run.seed] = np.array([run.at_bound()])
    return {arm: Side(found, bounds[arm]) for arm, found in regrets.items()}


def area_ratio(ours: Side, theirs: Side) -> stats.Ratio:
    """Return the ratio of areas under the regret curves, over all of the budget.

    Raises:
        ValueError: they share no run.
    """
    mine, other = stats.paired(ours.regrets, theirs.regrets)
    return stats.ratio(mine.mean(axis=1), other.mean(axis=1))


def share_ratio(ours: Side, theirs: Side, share: float) -> stats.Ratio:
    """Return the ratio of regrets once a share of the budget is spent.

    Raises:
        ValueError: they share no run.
    """
    mine, other = stats.paired(ours.regrets, theirs.regrets)
    at = round(share * mine.shape[1]) - 1
    return stats.ratio(mine[:, at], other[:, at])


def bound_ratio(ours: Side, theirs: Side) -> stats.Ratio:
    """Return the ratio of the shares of numbers at a bound.

    Raises:
        ValueError: they share no run.
    """
    mine, other = stats.paired(ours.at_bound, theirs.at_bound)
    return stats.ratio(mine[:, 0], other[:, 0])


def of_last_code(runs: Iterable[PrunedRun]) -> tuple[list[PrunedRun], int]:
    """Return the runs without those of older code, and how many those are.

    Of each arm and pruner the code of the last run counts: a mean over two versions is of neither.
    """
    listed = list(runs)
    last = {(run.arm, run.pruner): run.code for run in listed}
    kept = [run for run in listed if run.code == last[run.arm, run.pruner]]
    return kept, len(listed) - len(kept)
