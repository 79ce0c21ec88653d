"""Tables of studies with pruners as Markdown: a section for each family and number of workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from tests.benchmarks.sampler.pruned.compare import (
    PrunedArm,
    Side,
    area_ratio,
    sides_of,
)
from tests.benchmarks.sampler.pruned.results import GRID, PrunedRun
from tests.benchmarks.sampler.stats import Ratio

_SHARES = (0.25, 0.5, 1.0)
_HEADS = (
    "arm",
    "tasks",
    "runs",
    "regret at 25 %",
    "50 %",
    "100 %",
    "area",
    "over TPE with this pruner",
    "over ours without a pruner",
    "whole of trials",
    "numbers at a bound",
    "corners",
    "ms a proposal",
)


def report(runs: Sequence[PrunedRun]) -> str:
    """Return the whole report."""
    parts = [_codes(runs)]
    for family in sorted({run.family for run in runs}):
        for workers in sorted({run.workers for run in runs if run.family == family}):
            part = [run for run in runs if run.family == family and run.workers == workers]
            full = ", ".join(str(value) for value in sorted({run.full for run in part}))
            parts.append(
                f"## {family}, {_workers(workers)}, {full} whole trainings\n\n" + _section(part)
            )
    return "\n\n".join(parts)


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"


def _section(runs: Sequence[PrunedRun]) -> str:
    sides = sides_of(runs)
    rows = [_row(arm, side, sides, runs) for arm, side in sorted(sides.items())]
    lines = [list(_HEADS), ["---"] * len(_HEADS), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(
    arm: PrunedArm, side: Side, sides: dict[PrunedArm, Side], runs: Sequence[PrunedRun]
) -> list[str]:
    own = [run for run in runs if PrunedArm(run.workers, run.history, run.pruner, run.arm) == arm]
    by_task = np.array([np.mean(list(seeds.values()), axis=0) for seeds in side.regrets.values()])
    mean = by_task.mean(axis=0)
    ms = 1000 * np.median([s for run in own for _, _, s in run.asked])
    return [
        arm.name,
        str(len(by_task)),
        str(len(own)),
        *(f"{mean[round(share * GRID) - 1]:.3f}" for share in _SHARES),
        f"{mean.mean():.3f}",
        _ratio(area_ratio, side, tpe_with(arm, sides)),
        _ratio(area_ratio, side, ours_without(arm, sides)),
        f"{np.mean([len(run.ends) for run in own]):.1f} of "
        f"{np.mean([len(run.asked) for run in own]):.1f}",
        f"{100 * np.mean([run.at_bound() for run in own]):.0f} %",
        f"{np.mean([run.corners() for run in own]):.1f}",
        f"{ms:.0f}",
    ]


def tpe_with(arm: PrunedArm, sides: dict[PrunedArm, Side]) -> Side | None:
    """Return TPE with the arm's pruner; with history only where the pruner itself reads it."""
    for history in (arm.history, "none"):
        peer = PrunedArm(arm.workers, history, arm.pruner, "tpe")
        if peer != arm and peer in sides:
            return sides[peer]
    return None


def ours_without(arm: PrunedArm, sides: dict[PrunedArm, Side]) -> Side | None:
    """Return our sampler without a pruner, with the arm's history."""
    peer = PrunedArm(arm.workers, arm.history, "none", "bayesian")
    return sides.get(peer) if peer != arm else None


def _ratio(measure: Callable[[Side, Side], Ratio], ours: Side, theirs: Side | None) -> str:
    if theirs is None:
        return "-"
    try:
        found = measure(ours, theirs)
    except ValueError:
        return "-"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _codes(runs: Iterable[PrunedRun]) -> str:
    found = sorted({(run.arm, run.code) for run in runs})
    return "\n".join(["Measured:", *(f"- {arm}: {code}" for arm, code in found)])
