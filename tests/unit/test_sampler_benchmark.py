"""The benchmark of samplers measures what it says: tasks, histories, pairing, statistics."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.sampler import stats
from tests.benchmarks.sampler.campaign import Campaign, Plan
from tests.benchmarks.sampler.goals import goals
from tests.benchmarks.sampler.history.building import HistorySpec, StudyMaker, build_history
from tests.benchmarks.sampler.methods import Problem, make_method
from tests.benchmarks.sampler.play import play
from tests.benchmarks.sampler.ranking import mean_ranks, paired_families
from tests.benchmarks.sampler.report import MixedTasksError, report
from tests.benchmarks.sampler.results import ResultFile, Run, of_one_code, read_runs
from tests.benchmarks.sampler.tasks import GROUPS, load_family
from tests.benchmarks.sampler.tasks.failing import failing_tasks
from tests.benchmarks.sampler.tasks.task import NoDataError, Task, regret, sample

_OURS = [*GROUPS["continuous"], *GROUPS["structured"]]


@pytest.mark.parametrize("family", _OURS)
def test_nothing_is_better_than_the_best_known_and_the_median_is_in_between(family: str) -> None:
    rng = np.random.default_rng(0)

    for task in load_family(family, None)[:3]:
        values = [task.evaluate(sample(task.space, rng)) for _ in range(200)]

        assert task.best - 1e-9 <= min(values) < task.median
        assert 0.3 < np.mean(np.array(values) < task.median) < 0.7


@pytest.mark.parametrize("family", _OURS)
def test_tasks_of_a_family_are_related_but_not_the_same(family: str) -> None:
    first, second, *_ = load_family(family, None)
    rng = np.random.default_rng(1)
    params = [sample(first.space, rng) for _ in range(300)]

    ours, theirs = ([task.evaluate(p) for p in params] for task in (first, second))
    ranks = [np.argsort(np.argsort(values)) for values in (ours, theirs)]

    assert 0.2 < np.corrcoef(ranks)[0, 1] < 0.999


def test_regret_is_the_best_so_far_between_the_best_known_and_a_median_configuration() -> None:
    curve = regret(np.array([9.0, 3.0, 4.0, 1.0]), best=1.0, median=5.0)

    assert curve.tolist() == [1.0, 0.5, 0.5, 0.0]


_KINDS = ["related", "team", "inverted", "noise", "unrelated", "unit", "huge", "family"]


@pytest.mark.parametrize("kind", _KINDS)
def test_a_history_is_the_same_for_every_method_and_never_holds_its_target(kind: str) -> None:
    family = load_family("cone4", None)
    spec = HistorySpec(kind=kind, studies=3, trials=5)

    once, again = (build_history(family[4], family, spec, 1, StudyMaker()) for _ in range(2))

    assert once == again
    assert family[4].key not in {study.name for study in once}
    assert len({study.name for study in once}) == (9 if kind == "huge" else 3)


def test_a_misleading_history_says_that_bad_configurations_are_good() -> None:
    family = load_family("cone4", None)
    target = family[0]

    def told_best(kind: str) -> float:
        spec = HistorySpec(kind=kind, studies=6, trials=40)
        studies = build_history(target, family, spec, 0, StudyMaker())
        best = [study.params[int(np.argmin(study.values))] for study in studies]
        return float(np.mean([target.evaluate(params) for params in best]))

    good = (target.median - told_best("related")) / (target.median - target.best)
    for kind in ("inverted", "direction", "unrelated"):
        bad = (target.median - told_best(kind)) / (target.median - target.best)

        assert bad < 0 < good


def test_a_team_recorded_part_of_the_parameters_in_part_of_their_ranges() -> None:
    family = load_family("hartmann6", None)
    spec = HistorySpec(kind="team", studies=4, trials=30)

    studies = build_history(family[0], family, spec, 0, StudyMaker())

    recorded = [set(study.params[0]) for study in studies]
    everywhere = set.union(*recorded)
    assert len(everywhere) == 4
    assert [len(names) for names in recorded] == [4, 3, 4, 3]
    for name in everywhere:
        seen = [params[name] for study in studies[::2] for params in study.params]
        parts = [study.space[name].bounds for study in studies]
        assert len(set(parts)) == 4
        assert min(low for low, _ in parts) <= min(seen)


def test_another_family_is_as_good_as_any_place_for_its_target() -> None:
    family = load_family("hartmann6", None)
    spec = HistorySpec(kind="family", studies=4, trials=30)
    ranks = []
    for target in family[:4]:
        studies = build_history(target, family, spec, 0, StudyMaker())
        values = np.array([target.evaluate(p) for p in studies[0].params])
        ranks.append(np.corrcoef(values, studies[0].values)[0, 1])

    assert abs(np.mean(ranks)) < 0.4


def _pool(task: Task) -> Task:
    rng = np.random.default_rng(3)
    pool = tuple(sample(task.space, rng) for _ in range(15))
    return Task(
        name=task.name,
        family=task.family,
        space=task.space,
        evaluate=task.evaluate,
        best=min(map(task.evaluate, pool)),
        median=task.median,
        pool=pool,
    )


@pytest.mark.parametrize("method", ["random", "cold"])
@pytest.mark.parametrize("family", ["cone4", "network"])
def test_from_a_pool_every_recorded_configuration_is_tried_once(family: str, method: str) -> None:
    task = _pool(load_family(family, None)[0])
    problem = Problem(space=task.space, seed=0, trials=15, pool=task.pool)

    played = play(task, make_method(method, problem), trials=15, pending=3, seed=0)

    keys = [task.space.key(params) for params in played.params]
    assert sorted(keys) == sorted(task.pool_keys)


def test_trials_finish_in_the_order_of_their_durations_and_never_too_many_are_pending() -> None:
    task = load_family("branin", None)[0]

    class Watched:
        insight = None

        def __init__(self) -> None:
            self.open: set[int] = set()
            self.most = 0
            self.told: list[int] = []

        def ask(self) -> tuple[int, dict[str, float]]:
            ticket = len(self.told) + len(self.open)
            self.open.add(ticket)
            self.most = max(self.most, len(self.open))
            return ticket, {"x0": 0.5, "x1": 0.001}

        def tell(self, ticket: int, value: float) -> None:
            self.open.remove(ticket)
            self.told.append(ticket)

    first, second = Watched(), Watched()
    play(task, first, trials=40, pending=4, seed=0)
    play(task, second, trials=40, pending=4, seed=0)

    assert first.most == 4
    assert sorted(first.told) == list(range(40))
    assert first.told == second.told != sorted(first.told)


def test_a_campaign_that_was_stopped_goes_on_where_it_stood(tmp_path: Path) -> None:
    said: list[str] = []
    family = load_family("branin", None)
    plan = Plan(
        families={"branin": family},
        targets=frozenset({"branin/00", "branin/01"}),
        methods=("random", "tpe"),
        trials=12,
    )
    file = tmp_path / "results.jsonl"

    Campaign(plan, ResultFile(file), said.append).run()
    whole = file.read_text()
    lines = whole.splitlines(keepends=True)
    # The third run was being written when the process died.
    file.write_text("".join(lines[:2]) + lines[2][:40] + "\n")
    Campaign(plan, ResultFile(file), said.append).run()

    runs = list(read_runs([file]))
    assert said[0] == "4 runs to make"
    assert "2 runs to make" in said
    assert {run.key for run in runs} == {run.key for run in _read(tmp_path, whole)}
    assert sorted(run.values for run in runs) == sorted(r.values for r in _read(tmp_path, whole))


def _read(folder: Path, text: str) -> list[Run]:
    path = folder / "whole.jsonl"
    path.write_text(text)
    return list(read_runs([path]))


def test_p_values_are_corrected_as_holm_has_it() -> None:
    assert stats.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_a_ratio_is_paired_over_tasks_and_seeds() -> None:
    better = {f"t{i}": {s: np.array([0.1 * (i + 1)]) for s in range(3)} for i in range(8)}
    worse = {f"t{i}": {s: np.array([0.2 * (i + 1)]) for s in range(2)} for i in range(9)}

    mine, other = stats.paired(better, worse)
    found = stats.ratio(mine[:, 0], other[:, 0])

    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5), abs=1e-4)
    assert found.tasks == 8


def _made(method: str, history: str, task: int, curve: float, code: str = "new") -> Run:
    return Run(
        task=f"f/{task}",
        method=method,
        history=history,
        pending=1,
        seed=0,
        trials=50,
        best=0.0,
        median=1.0,
        values=(curve,) * 50,
        ask_s=(0.0,) * 50,
        code=code,
    )


def test_the_goals_tell_help_from_harm() -> None:
    runs = [
        run
        for task in range(8)
        for run in (
            _made("gp", "none", task, 0.4),
            _made("cold", "none", task, 0.2),
            _made("warm", "related:8x50", task, 0.05),
            _made("warm", "unrelated:8x50", task, 0.3),
        )
    ]

    verdicts = {figure.name: figure.verdict for figure in goals(runs)}

    assert verdicts["cold: place by mean rank over families"] == "reached"
    assert verdicts["cold over the better of Ax and GP, f"] == "reached"
    assert verdicts["related:8x50 over cold, f: worst to the end"] == "reached"
    assert verdicts["related:8x50 over cold @10"] == "reached"
    assert verdicts["related:8x50 over cold: trials to the regret of cold@50"] == "reached"
    assert verdicts["unrelated:8x50 over cold @5"] == "missed"


def test_the_better_peer_is_the_opponent_and_the_worst_moment_counts() -> None:
    def curve(method: str, early: float, late: float) -> list[Run]:
        values = (early,) * 25 + (late,) * 25
        return [replace(_made(method, "none", i, 1.0), values=values) for i in range(4)]

    runs = [*curve("cold", 0.4, 0.2), *curve("gp", 0.5, 0.1), *curve("ax", 0.6, 0.3)]

    found = {figure.name: figure for figure in goals(runs)}

    worst = found["cold over the better of Ax and GP, f"]
    assert worst.value == pytest.approx(2.0, abs=0.01)
    assert "over gp" in worst.note
    assert found["cold: place by mean rank over families"].value == 1


def test_every_family_has_the_same_weight_however_many_tasks_it_has() -> None:
    def made(method: str, family: str, task: int, value: float) -> Run:
        return replace(_made(method, "none", task, value), task=f"{family}/{task}")

    runs = [
        *(made("cold", "many", i, 0.1) for i in range(9)),
        made("cold", "one", 0, 0.3),
        made("cold", "other", 0, 0.3),
        *(made("gp", "many", i, 0.4) for i in range(9)),
        made("gp", "one", 0, 0.2),
        made("gp", "other", 0, 0.2),
    ]
    curves = stats.curves_of(runs)
    cold, gp = ("cold", "none", 1), ("gp", "none", 1)

    ours, theirs, families = paired_families(curves[cold], curves[gp])
    ranks, count = mean_ranks(curves, [cold, gp])

    assert families == ["many", "one", "other"]
    assert (ours[:, 0].mean(), theirs[:, 0].mean()) == pytest.approx((0.7 / 3, 0.8 / 3))
    assert (ranks[cold], ranks[gp], count) == (pytest.approx(5 / 3), pytest.approx(4 / 3), 3)


def test_figures_are_never_of_two_versions_of_the_sampler_or_of_a_task() -> None:
    old, new = (_made("cold", "none", 0, 0.5, code) for code in ("old", "new"))
    peer = _made("gp", "none", 0, 0.5, "other")

    assert of_one_code([old, peer, new]) == ([peer, new], 1)
    with pytest.raises(MixedTasksError, match="f/0"):
        report([new, replace(peer, median=2.0)])


@pytest.mark.parametrize("family", GROUPS["published"])
def test_a_family_of_published_data_says_what_to_give(family: str) -> None:
    with pytest.raises(NoDataError, match="--data FOLDER"):
        load_family(family, None)


def test_tasks_that_need_a_package_say_which() -> None:
    if find_spec("ioh") is not None:
        pytest.skip("ioh is installed here")
    with pytest.raises(NoDataError, match="pip install ioh"):
        load_family("bbob", None)


@pytest.mark.parametrize("name", failing_tasks())
def test_what_does_not_fail_is_at_best_the_best_known(name: str) -> None:
    task = failing_tasks()[name]
    rng = np.random.default_rng(0)

    values = [task.run(sample(task.space, rng), number, 0) for number in range(2000)]

    worked = [value for value in values if value is not None]
    assert 0.1 < len(worked) / len(values) < 0.95
    assert task.best <= min(worked) < task.best + 0.15
