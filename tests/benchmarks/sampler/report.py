"""Tables of results as Markdown: by group of families, pending trials and history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.sampler import stats
from tests.benchmarks.sampler.plot import write_plots
from tests.benchmarks.sampler.ranking import families_of, mean_ranks, paired_families
from tests.benchmarks.sampler.results import Run
from tests.benchmarks.sampler.stats import Arm, Ratio
from tests.benchmarks.sampler.tasks import GROUPS
from tests.benchmarks.sampler.tasks.task import Array

_RATIOS_AT = (3, 5, 10, 20, 50, 100)
#: The area under a curve is its mean over so many trials.
_AREAS = (50, 100)
#: How many trials it takes to come to where the base is after so many.
_LEVEL_AT = 50


class MixedTasksError(ValueError):
    """Results that cannot be compared."""


Curves = Mapping[Arm, Mapping[str, Mapping[int, Array]]]


def report(runs: Sequence[Run], base: str = "cold", plots: Path | None = None) -> str:
    """Return the whole report; with `plots`, write the curves into that folder too.

    Raises:
        MixedTasksError: runs of one task are of different versions of it.
    """
    _check(runs)
    parts = [_codes(runs)]
    for title, members in _groups(runs):
        for pending in sorted({run.pending for run in members}):
            part = [run for run in members if run.pending == pending]
            parts.append(
                _section(f"{title}, {pending} pending" if pending > 1 else title, part, base)
            )
    parts.append(_by_family(runs, base))
    parts.append(_speed(runs))
    if plots is not None:
        for title, members in _groups(runs):
            write_plots(plots, title, members)
    return "\n\n".join(part for part in parts if part)


def _check(runs: Sequence[Run]) -> None:
    found: dict[str, tuple[float, float]] = {}
    for run in runs:
        scale = found.setdefault(run.task, (run.best, run.median))
        if not np.allclose(scale, (run.best, run.median)):
            raise MixedTasksError(
                f"{run.task}: best and median are {scale} in some runs and "
                f"{(run.best, run.median)} in others; leave out those of the older version"
            )


def _groups(runs: Sequence[Run]) -> list[tuple[str, list[Run]]]:
    """Return the runs of each family, of each group of several, and of all."""
    families = sorted({run.family for run in runs})
    groups = [(name, [run for run in runs if run.family == name]) for name in families]
    for name in ("continuous", "structured"):
        members = [run for run in runs if run.family in GROUPS[name]]
        if len({run.family for run in members}) > 1:
            groups.append((name, members))
    if len(families) > 1:
        groups.append(("all", list(runs)))
    return groups


def _section(title: str, runs: Sequence[Run], base: str) -> str:
    curves = stats.curves_of(runs)
    return "\n\n".join(
        part for part in (f"## {title}", _regrets(curves), _ratios(curves, base)) if part
    )


def _regrets(curves: Curves) -> str:
    """Return the mean regrets of each arm, each on the tasks that it has."""
    rows = []
    for arm, tasks in sorted(curves.items()):
        by_task = list(_means(tasks).values())
        n = min(len(curve) for curve in by_task)
        mean = np.mean([curve[:n] for curve in by_task], axis=0)
        shown = [f"{mean[at - 1]:.3f}" if at <= n else "-" for at in stats.AT]
        runs = sum(len(seeds) for seeds in tasks.values())
        areas = [f"{mean[:until].mean():.4f}" if until <= n else "-" for until in _AREAS]
        rows.append([_name(arm), str(len(tasks)), str(runs), *shown, *areas])
    return _table(
        [
            "method",
            "tasks",
            "runs",
            *(f"@{at}" for at in stats.AT),
            *(f"area {until}" for until in _AREAS),
        ],
        rows,
    )


def _by_family(runs: Sequence[Run], base: str) -> str:
    """Return the arms without history over all families, each with the same weight, and ranks."""
    curves = stats.curves_of(run for run in runs if run.history == "none" and run.pending == 1)
    bases = [arm for arm in curves if arm[0] == base]
    if not bases or len(families_of(curves[bases[0]])) < 2:
        return ""
    ranks, families = mean_ranks(curves, sorted(curves))
    rows = []
    for arm in sorted(set(curves) - set(bases)):
        ours, theirs, names = paired_families(curves[arm], curves[bases[0]])
        shown = [
            f"{ours[:, at - 1].mean():.3f} over {theirs[:, at - 1].mean():.3f}, "
            + _ratio(stats.ratio(ours[:, at - 1], theirs[:, at - 1]))
            if at <= ours.shape[1]
            else "-"
            for at in _RATIOS_AT
        ]
        rows.append([_name(arm), str(len(names)), *shown, f"{ranks.get(arm, np.nan):.2f}"])
    heads = [f"over {base}", "families", *(f"@{at}" for at in _RATIOS_AT), "mean rank"]
    own = f"Mean rank of {base}: {ranks.get(bases[0], np.nan):.2f} over {families} families."
    return f"## every family with the same weight\n\n{_table(heads, rows)}\n\n{own}"


def _means(tasks: Mapping[str, Mapping[int, Array]]) -> dict[str, Array]:
    means = {}
    for task, seeds in tasks.items():
        n = min(len(curve) for curve in seeds.values())
        means[task] = np.mean([curve[:n] for curve in seeds.values()], axis=0)
    return means


def _ratios(curves: Curves, base: str) -> str:
    """Return each arm against the base, on the tasks and seeds that both have, with Holm's p."""
    bases = [arm for arm in curves if arm[0] == base]
    if not bases:
        return ""
    rows, ps = [], []
    for arm in sorted(set(curves) - set(bases)):
        try:
            mine, other = stats.paired(curves[arm], curves[bases[0]])
        except ValueError:
            continue
        rows.append([_name(arm), str(len(mine)), *_compared(mine, other)])
        ps.append(stats.p_value(stats.area(mine), stats.area(other)))
    for row, p in zip(rows, stats.holm(ps), strict=True):
        row.append(f"{p:.3f}")
    heads = ["over " + base, "tasks", *(f"@{at}" for at in _RATIOS_AT), "area"]
    return _table([*heads, f"reaches {base}@{_LEVEL_AT} at", "p of area"], rows) if rows else ""


def _compared(mine: Array, other: Array) -> list[str]:
    n = mine.shape[1]
    shown = [
        _ratio(stats.ratio(mine[:, at - 1], other[:, at - 1])) if at <= n else "-"
        for at in _RATIOS_AT
    ]
    reached = None
    if n >= _LEVEL_AT:
        level = float(other.mean(axis=0)[_LEVEL_AT - 1])
        reached = stats.trials_to_reach(mine.mean(axis=0), level)
    until = max((until for until in _AREAS if until <= n), default=n)
    area = _ratio(stats.ratio(stats.area(mine, until), stats.area(other, until)))
    return [*shown, f"{area} of {until}", "-" if reached is None else str(reached)]


def _ratio(ratio: Ratio) -> str:
    return f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


def _speed(runs: Sequence[Run]) -> str:
    by_method: dict[tuple[str, int], list[tuple[float, ...]]] = {}
    for run in runs:
        by_method.setdefault((run.method, run.pending), []).append(run.ask_s)
    rows = []
    for (method, pending), asks in sorted(by_method.items()):
        early = [s for run in asks for s in run[:50]]
        late = [s for run in asks for s in run[50:100]]
        rows.append([method, str(pending), *_percentiles(early), *_percentiles(late)])
    heads = [
        "ms of processor a proposal",
        "pending",
        "p50 of 1 to 50",
        "p95",
        "p50 of 51 to 100",
        "p95",
    ]
    return "## speed\n\n" + _table(heads, rows)


def _percentiles(seconds: Sequence[float]) -> list[str]:
    if not seconds:
        return ["-", "-"]
    return [f"{1000 * np.quantile(seconds, share):.1f}" for share in (0.5, 0.95)]


def _codes(runs: Sequence[Run]) -> str:
    found = sorted({(run.method, run.code) for run in runs})
    lines = [f"- {method}: {code}" for method, code in found]
    return "\n".join(["Measured:", *lines])


def _name(arm: Arm) -> str:
    method, history, _ = arm
    return method if history == "none" else f"{method} {history}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(heads), ["---"] * len(heads), *(list(row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
