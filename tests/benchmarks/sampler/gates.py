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

_FAMILIES = ("cone4", "hartmann6", "network", "grid")
_TASKS = 2
_TRIALS = 24
_HISTORIES = ("related:6x30", "inverted:6x30", "unrelated:6x30")


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Mean regret of one arm after `at` trials, over that of another, is at most `limit`."""

    claim: str
    arm: stats.Arm
    base: stats.Arm
    at: int
    limit: float

    def measure(self, runs: Sequence[Run]) -> float:
        """Return the ratio that the runs show."""
        curves = stats.curves_of(runs)
        ours, theirs = stats.paired(curves[self.arm], curves[self.base])
        return stats.ratio(ours[:, self.at - 1], theirs[:, self.at - 1]).value


_COLD, _TPE = ("cold", "none", 1), ("tpe", "none", 1)
_RELATED, _INVERTED, _UNRELATED = (("warm", history, 1) for history in _HISTORIES)

GATES = (
    Gate(claim="without history better than TPE", arm=_COLD, base=_TPE, at=24, limit=0.8),
    Gate(claim="related history is used", arm=_RELATED, base=_COLD, at=5, limit=0.7),
    Gate(claim="related history still pays", arm=_RELATED, base=_COLD, at=12, limit=0.8),
    Gate(claim="inverted history does no harm", arm=_INVERTED, base=_COLD, at=16, limit=1.4),
    Gate(claim="unrelated history does no harm", arm=_UNRELATED, base=_COLD, at=16, limit=1.4),
)


def gate_runs(file: Path, first_seed: int = 0) -> list[Run]:
    """Make the runs that the gates compare, and return them.

    Args:
        file: of results; runs that stand in it are not made again.
        first_seed: another one gives other runs, to see what chance does.
    """
    families = {name: load_family(name, None) for name in _FAMILIES}
    plan = Plan(
        families=families,
        targets=frozenset(task.key for tasks in families.values() for task in tasks[:_TASKS]),
        methods=("tpe", "cold", "warm"),
        histories=tuple(HistorySpec.parse(text) for text in _HISTORIES),
        seeds=(first_seed,),
        trials=_TRIALS,
    )
    Campaign(plan, ResultFile(file), lambda _: None).run()
    return list(read_runs([file]))
