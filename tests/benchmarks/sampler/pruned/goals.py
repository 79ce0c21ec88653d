"""What our sampler is to reach in a pruner's company, from files of results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tests.benchmarks.figure import Figure
from tests.benchmarks.sampler.pruned.compare import (
    PrunedArm,
    Side,
    area_ratio,
    bound_ratio,
    share_ratio,
    sides_of,
)
from tests.benchmarks.sampler.pruned.report import ours_without, tpe_with
from tests.benchmarks.sampler.pruned.results import PrunedRun
from tests.benchmarks.sampler.stats import Ratio

#: Areas under the regret curve over those of TPE with the same pruner, and of ours without one.
OVER_TPE, OVER_NONE = 0.8, 1.0
#: Where early ranks mislead a pruner cannot help.
MISLEADING, OVER_NONE_MISLED = ("cross",), 1.1
#: Regret with history over that without, at a share of the budget.
WARM, WARM_AT = 0.5, 0.25
AT_BOUND = 1.0


def goals(runs: Sequence[PrunedRun]) -> list[Figure]:
    """Return every goal that the runs can say something of."""
    figures: list[Figure] = []
    for family in sorted({run.family for run in runs}):
        sides = sides_of(run for run in runs if run.family == family)
        for arm, side in sorted(sides.items()):
            if arm.arm == "bayesian" and arm.pruner != "none":
                figures += _of(family, arm, side, sides)
    return figures


def _of(family: str, arm: PrunedArm, side: Side, sides: dict[PrunedArm, Side]) -> Iterator[Figure]:
    workers = "" if arm.workers == 1 else f", {arm.workers} workers"
    how = f"{family}, {arm.name}{workers}"
    over_none = OVER_NONE_MISLED if family in MISLEADING else OVER_NONE
    plain = ours_without(arm, sides)
    cold = sides.get(PrunedArm(arm.workers, "none", arm.pruner, arm.arm))
    yield from _figure(f"{how}: area over TPE", area_ratio, side, tpe_with(arm, sides), OVER_TPE)
    yield from _figure(f"{how}: area over no pruner", area_ratio, side, plain, over_none)
    yield from _figure(f"{how}: at a bound over no pruner", bound_ratio, side, plain, AT_BOUND)
    if arm.history != "none":
        yield from _figure(f"{how}: over cold @25 %", _early, side, cold, WARM)


def _early(ours: Side, theirs: Side) -> Ratio:
    return share_ratio(ours, theirs, WARM_AT)


def _figure(
    name: str,
    measure: Callable[[Side, Side], Ratio],
    ours: Side,
    theirs: Side | None,
    limit: float,
) -> Iterator[Figure]:
    if theirs is None:
        return
    try:
        found = measure(ours, theirs)
    except ValueError:
        return
    note = f"[{found.low:.2f}, {found.high:.2f}], {found.tasks} tasks"
    yield Figure(name=name, value=found.value, unit="x", limit=limit, note=note)
