"""The figures that the sampler is to reach, from files of results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tests.benchmarks.figure import Figure
from tests.benchmarks.sampler import stats
from tests.benchmarks.sampler.history.building import MISLEADING, HistorySpec
from tests.benchmarks.sampler.ranking import families_of, mean_ranks, of_family
from tests.benchmarks.sampler.results import Run
from tests.benchmarks.sampler.stats import Arm
from tests.benchmarks.sampler.tasks import GROUPS
from tests.benchmarks.sampler.tasks.task import Array

#: Where bad history is judged; the first is also where it is at its worst.
_HARM_AT = (5, 10, 20, 30, 50, 100)
_HARM, _HARM_BOUND, _HARM_LATER, _LATER = 1.05, 1.25, 1.0, 20
_MANY = 8
_REACH_OF, _REACH = 50, 14
#: Related history is to be no harm at any of these.
_TO_THE_END, _END_BOUND = range(10, 101, 5), 1.1
#: A team's real history: bounds at 10 trials, and from 5 on.
_TEAM, _TEAM_AT, _TEAM_EVER = "team", 0.6, 1.05

_PEERS = ("gp", "ax", "smac", "confopt", "hebo", "tpe", "random")
#: The better of these is the opponent of each family, at each of these numbers of trials.
_STRONG, _STRONG_AT, _STRONG_BOUND = ("gp", "ax"), (10, 20, 30, 50, 70, 100), 1.15

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
            figures += _rank(curves, cold)
            figures += _against_strong(curves, cold)
        elif method == "warm" and cold in curves:
            figures += _with_history(curves, arm, cold, HistorySpec.parse(history))
    return figures


def _rank(curves: Curves, cold: Arm) -> Iterator[Figure]:
    """Yield the place of ours by the mean rank over families, among the peers that were run."""
    peers = [(name, "none", cold[2]) for name in _PEERS if (name, "none", cold[2]) in curves]
    ranks, families = mean_ranks(curves, [cold, *peers])
    if not peers or not ranks:
        return
    told = ", ".join(
        f"{name} {rank:.2f}" for (name, _, _), rank in sorted(ranks.items(), key=lambda i: i[1])
    )
    place = 1 + sum(rank < ranks[cold] for rank in ranks.values())
    yield Figure(
        name=_how(cold, "cold: place by mean rank over families"),
        value=place,
        unit="",
        limit=1,
        note=f"{families} families: {told}",
    )


def _against_strong(curves: Curves, cold: Arm) -> Iterator[Figure]:
    """Yield, of each family, the worst ratio to the better strong peer, and where that is."""
    strong = [(name, "none", cold[2]) for name in _STRONG if (name, "none", cold[2]) in curves]
    families = sorted({family for peer in strong for family in families_of(curves[peer])})
    for family in families:
        ours = of_family(curves[cold], family)
        found: dict[int, tuple[stats.Ratio, str]] = {}
        for peer in strong:
            try:
                mine, other = stats.paired(ours, of_family(curves[peer], family))
            except ValueError:
                continue
            for at in (at for at in _STRONG_AT if at <= mine.shape[1]):
                ratio = stats.ratio(mine[:, at - 1], other[:, at - 1])
                if at not in found or ratio.value > found[at][0].value:
                    found[at] = ratio, peer[0]
        if found:
            yield _worst(_how(cold, f"cold over the better of Ax and GP, {family}"), found)


def _worst(name: str, found: Mapping[int, tuple[stats.Ratio, str]]) -> Figure:
    at = max(found, key=lambda n: found[n][0].value)
    ratio, peer = found[at]
    last = max(found)
    note = f"worst, at {at} over {peer}; at {last} x {found[last][0].value:.2f}"
    if ratio.high > _STRONG_BOUND:
        note += f"; upper bound above {_STRONG_BOUND}"
    wide = name.rpartition(" ")[2] in GROUPS["wide"]
    if wide:
        ratio, note = found[last][0], f"at {last} over {found[last][1]}"
    return _figure(name, ratio, 1.0, note)


def _with_history(curves: Curves, arm: Arm, cold: Arm, spec: HistorySpec) -> Iterator[Figure]:
    ours, theirs = stats.paired(curves[arm], curves[cold])
    how = _how(arm, f"{arm[1]} over cold")
    if spec.kind.startswith(_TEAM):
        yield from _at(how, ours, theirs, {10: _TEAM_AT})
        yield from _highest(how, ours, theirs, range(5, 101, 5), _TEAM_EVER)
    elif spec.kind in MISLEADING:
        yield from _harm(how, ours, theirs)
    elif spec.studies >= _MANY:
        yield from _gain(how, ours, theirs)
        for family in families_of(curves[arm], curves[cold]):
            pair = stats.paired(of_family(curves[arm], family), of_family(curves[cold], family))
            yield from _highest(f"{how}, {family}", *pair, _TO_THE_END, 1.0)
    else:
        yield from _at(how, ours, theirs, {10: 0.5 if spec.studies == 2 else None})


def _highest(how: str, ours: Array, theirs: Array, where: range, limit: float) -> Iterator[Figure]:
    """Yield the highest ratio at any of these numbers of trials, where there are so many."""
    found = {
        at: stats.ratio(ours[:, at - 1], theirs[:, at - 1]) for at in where if at <= ours.shape[1]
    }
    if found:
        at = max(found, key=lambda n: found[n].value)
        bound = "" if found[at].high <= _END_BOUND else f", upper bound above {_END_BOUND}"
        yield _figure(f"{how}: worst to the end", found[at], limit, f"at {at}{bound}")


def _gain(how: str, ours: Array, theirs: Array) -> Iterator[Figure]:
    yield from _at(how, ours, theirs, {5: None, 10: 0.35, 20: 0.35})
    yield from _highest(how, ours, theirs, _TO_THE_END, 1.0)
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
