"""The small version for CI: few tasks, and ratios that only hold while the sampler does its work.

Everything is compared within one run of one machine, so nothing depends on its speed. How far the
limits lie from what is measured, and how often chance alone would break them, stands in
`docs/sampler-benchmarks.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.sampler import stats
from tests.benchmarks.sampler.campaign import Campaign, Plan
from tests.benchmarks.sampler.history.building import HistorySpec
from tests.benchmarks.sampler.results import ResultFile, Run, read_runs
from tests.benchmarks.sampler.tasks import load_family

_FAMILIES = ("cone4", "hartmann6", "network", "grid", "plateau6")
_TASKS = 2
_COLD_TRIALS, _WARM_TRIALS = 40, 20
#: History is judged from here on: the very first trials must be spent to learn what it is worth.
_JUDGED = 5
_SEEDS = 2
_NEAR = 1e-9
_HISTORIES = ("related:6x30", "inverted:6x30", "unrelated:6x30", "family:6x30")


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Mean regret of one arm over trials `first` to `last`, over that of another, is limited.

    A mean over trials, because at a single one chance says too much.
    """

    claim: str
    arm: stats.Arm
    base: stats.Arm
    first: int
    last: int
    limit: float
    #: The family that is looked at; empty: all of them.
    family: str = ""

    def measure(self, runs: Sequence[Run]) -> float:
        """Return the ratio that the runs show."""
        curves = stats.curves_of([run for run in runs if run.family == (self.family or run.family)])
        ours, theirs = (
            side[:, self.first - 1 : self.last].mean(axis=1)
            for side in stats.paired(curves[self.arm], curves[self.base], self.last)
        )
        return stats.ratio(ours, theirs).value


_COLD, _TPE = ("cold", "none", 1), ("tpe", "none", 1)


def _history(claim: str, history: str, limit: float, family: str = "") -> Gate:
    return Gate(
        claim=claim,
        arm=("warm", history, 1),
        base=_COLD,
        first=_JUDGED,
        last=_WARM_TRIALS,
        limit=limit,
        family=family,
    )


GATES = (
    Gate(
        claim="better than TPE without history",
        arm=_COLD,
        base=_TPE,
        first=_COLD_TRIALS // 2 + 1,
        last=_COLD_TRIALS,
        limit=0.9,
    ),
    _history("related history pays", _HISTORIES[0], 0.45),
    _history("inverted history does no harm", _HISTORIES[1], 0.8),
    _history("unrelated history does little harm", _HISTORIES[2], 1.3),
    _history("another family's history does no harm", _HISTORIES[3], 1.15),
    _history("nor where most of the space is at chance level", _HISTORIES[3], 1.1, "plateau6"),
)


def held(runs: Sequence[Run]) -> float:
    """Return the share of our runs' values that lay within the interval foretold for nine of ten.

    A value that is all but at the edge of its interval counts as within.
    """
    inside = [
        low - _NEAR * (1 + abs(low)) <= value <= high + _NEAR * (1 + abs(high))
        for run in runs
        for value, foretold in zip(run.values, run.foretold, strict=False)
        if foretold is not None
        for low, high in [foretold]
    ]
    return sum(inside) / len(inside)


def gate_runs(file: Path, first_seed: int = 0) -> list[Run]:
    """Make the runs that the gates compare, and return them.

    Args:
        file: of results; runs that stand in it are not made again.
        first_seed: another one gives other runs, to see what chance does.
    """
    families = {name: load_family(name, None) for name in _FAMILIES}
    both = {
        "families": families,
        "targets": frozenset(t.key for tasks in families.values() for t in tasks[:_TASKS]),
        "seeds": tuple(range(first_seed, first_seed + _SEEDS)),
    }
    cold = Plan(**both, methods=("tpe", "cold"), trials=_COLD_TRIALS)
    histories = tuple(HistorySpec.parse(text) for text in _HISTORIES)
    warm = Plan(**both, methods=("warm",), trials=_WARM_TRIALS, histories=histories)
    results = ResultFile(file)
    for plan in (cold, warm):
        Campaign(plan, results, lambda _: None).run()
    return list(read_runs([file]))
