"""The figures that the sampler is to reach, from files of results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tests.benchmarks.figure import Figure
from tests.benchmarks.sampler import stats
from tests.benchmarks.sampler.history.building import MISLEADING, HistorySpec
from tests.benchmarks.sampler.results import Run
from tests.benchmarks.sampler.stats import Arm
from tests.benchmarks.sampler.tasks.task import Array

#: Where bad history is judged; the first is also where it is at its worst.
_HARM_AT = (5, 10, 20, 30, 50)
_HARM, _HARM_BOUND, _HARM_LATER, _LATER = 1.05, 1.25, 1.0, 20
_MANY = 8
_REACH_OF, _REACH = 50, 14

#: An area is the mean regret over so many trials, as many as there are runs of.
_AREAS = (100, 50, 40, 20)

Runs = Mapping[str, Mapping[int, Array]]
Curves = Mapping[Arm, Runs]


def goals(runs: Sequence[Run]) -> list[Figure]:
    """Return every goal that the runs can say something of."""
    curves = stats.curves_of(runs)
    figures: list[Figure] = []
    for arm in sorted(curves):
        method, history, pending = arm
        cold = ("cold", "none", pending)
        if method == "cold":
            figures += _against_peers(curves, cold)
        elif method == "warm" and cold in curves:
            figures += _with_history(curves, arm, cold, HistorySpec.parse(history))
    return figures


def _against_peers(curves: Curves, cold: Arm) -> Iterator[Figure]:
    """Yield the areas against each strong peer, and the regret at 20 against GPSampler."""
    for peer in ("gp", "ax"):
        other = (peer, "none", cold[2])
        if other not in curves:
            continue
        how = _how(cold, f"cold over {peer}")
        yield _area(how, curves[cold], curves[other])
        ours, theirs = stats.paired(curves[cold], curves[other])
        if peer == "gp" and ours.shape[1] >= _LATER:
            at = _LATER - 1
            yield _figure(f"{how} @{_LATER}", stats.ratio(ours[:, at], theirs[:, at]), 0.8)


def _area(how: str, cold: Runs, peer: Runs) -> Figure:
    """Return the ratio of areas, over as many trials as there are runs for."""
    for until in _AREAS:
        try:
            ours, theirs = (stats.area(curves, until) for curves in stats.paired(cold, peer, until))
        except ValueError:
            continue
        p = f"p {stats.p_value(ours, theirs):.3f}"
        return _figure(f"{how}, area of {until}", stats.ratio(ours, theirs), 1.0, p)
    raise ValueError(f"{how}: they share no run of {_AREAS[-1]} trials")


def _with_history(curves: Curves, arm: Arm, cold: Arm, spec: HistorySpec) -> Iterator[Figure]:
    ours, theirs = stats.paired(curves[arm], curves[cold])
    how = _how(arm, f"{arm[1]} over cold")
    if spec.kind in MISLEADING:
        yield from _harm(how, ours, theirs)
    elif spec.studies >= _MANY:
        yield from _gain(how, ours, theirs)
    else:
        yield from _at(how, ours, theirs, {10: 0.5 if spec.studies == 2 else None})


def _gain(how: str, ours: Array, theirs: Array) -> Iterator[Figure]:
    yield from _at(how, ours, theirs, {5: None, 10: 0.35, 20: 0.35})
    if ours.shape[1] >= _REACH_OF:
        level = float(theirs.mean(axis=0)[_REACH_OF - 1])
        reached = stats.trials_to_reach(ours.mean(axis=0), level)
        yield Figure(
            name=f"{how}: trials to the regret of cold@{_REACH_OF}",
            value=float("inf") if reached is None else reached,
            unit="trials",
            limit=_REACH,
            note=f"{level:.4f}, {len(ours)} tasks",
        )


def _at(
    how: str, ours: Array, theirs: Array, limits: Mapping[int, float | None]
) -> Iterator[Figure]:
    for at, limit in limits.items():
        if at <= ours.shape[1]:
            yield _figure(f"{how} @{at}", stats.ratio(ours[:, at - 1], theirs[:, at - 1]), limit)


def _harm(how: str, ours: Array, theirs: Array) -> Iterator[Figure]:
    for at in _HARM_AT:
        if at <= ours.shape[1]:
            found = stats.ratio(ours[:, at - 1], theirs[:, at - 1])
            limit = _HARM_LATER if at >= _LATER else _HARM
            bound = "" if found.high <= _HARM_BOUND else f"upper bound above {_HARM_BOUND}"
            yield _figure(f"{how} @{at}", found, limit, bound)


def _figure(name: str, found: stats.Ratio, limit: float | None, note: str = "") -> Figure:
    interval = f"[{found.low:.2f}, {found.high:.2f}], {found.tasks} tasks"
    return Figure(
        name=name,
        value=found.value,
        unit="x",
        limit=limit,
        note=f"{interval}, {note}" if note else interval,
    )


def _how(arm: Arm, text: str) -> str:
    return text if arm[2] == 1 else f"{text}, {arm[2]} pending"
