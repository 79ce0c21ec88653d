"""The benchmark of studies with a pruner measures what it says: epochs, ends, history, pools."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typing_extensions import override

from tests.benchmarks.sampler.history.building import HistoryError, HistorySpec
from tests.benchmarks.sampler.pruned.arm import Job, PrunedProblem
from tests.benchmarks.sampler.pruned.campaign import PrunedCampaign, PrunedPlan
from tests.benchmarks.sampler.pruned.compare import of_last_code
from tests.benchmarks.sampler.pruned.goals import goals
from tests.benchmarks.sampler.pruned.nearest import NearestRow
from tests.benchmarks.sampler.pruned.past import past_of
from tests.benchmarks.sampler.pruned.playing import at_bound, play_epochs
from tests.benchmarks.sampler.pruned.results import PrunedFile, PrunedRun, read_pruned
from tests.benchmarks.sampler.pruned.resuming import ResumingArm
from tests.benchmarks.sampler.tasks import GROUPS, load_family
from tests.benchmarks.sampler.tasks.task import Task, sample
from tuner.space import Params, SearchSpace

_SPACE = SearchSpace.from_json(
    {
        "parameters": {
            "x": {"type": "float", "low": 0.0, "high": 1.0},
            "y": {"type": "float", "low": 0.0, "high": 1.0},
        }
    }
)


def _task(**changes: Any) -> Task:
    """Return a task of four epochs whose error falls to x."""
    task = Task(
        name="0",
        family="f",
        space=_SPACE,
        evaluate=lambda params: float(params["x"]),
        best=0.0,
        median=0.5,
        curve=lambda params: [float(params["x"]) + 3 - step for step in range(4)],
    )
    return replace(task, **changes)


class _Scripted:
    """Asks for given jobs; stops what is above a limit at its first epoch."""

    def __init__(self, xs: list[float], stop_above: float = 9.0) -> None:
        self._xs = iter(xs)
        self._limit = stop_above
        self.ended: list[tuple[int, float | None]] = []
        self._number = 0

    def ask(self) -> Job:
        self._number += 1
        return Job(ticket=self._number, params={"x": next(self._xs), "y": 0.0})

    def report(self, ticket: int, step: int, value: float) -> bool:
        return value > self._limit

    def end(self, ticket: int, final: float | None) -> None:
        self.ended.append((ticket, final))


def test_a_budget_is_of_epochs_and_only_whole_trainings_count() -> None:
    arm = _Scripted([0.4, 0.9, 0.2, 0.1], stop_above=3.5)

    played = play_epochs(_task(), arm, budget=10)

    # 4 epochs, then 1 of the one that is stopped, then 4; the tenth begins another.
    assert arm.ended == [(1, 0.4), (2, None), (3, 0.2)]
    assert [(end.spent, end.value) for end in played.ends] == [(4, 0.4), (9, 0.2)]
    assert played.asked_at == [0, 4, 5, 9]
    assert played.at_bound == [0.5] * 4


def test_workers_train_an_epoch_each_in_turn() -> None:
    played = play_epochs(_task(), _Scripted([0.4, 0.3, 0.2, 0.1]), budget=8, workers=2)

    assert [end.spent for end in played.ends] == [7, 8]


class _Peer(ResumingArm):
    """Wants one configuration at 1 epoch, at 3, and at 3 again, then another at 4."""

    def __init__(self, problem: PrunedProblem) -> None:
        super().__init__(problem)
        self._wanted = iter([(0.3, 1), (0.3, 3), (0.3, 3), (0.2, 4)])
        self.learnt: list[tuple[float, float]] = []

    @override
    def next_wanted(self) -> tuple[Any, Params, float]:
        x, epochs = next(self._wanted)
        return x, {"x": x, "y": 0.0}, epochs

    @override
    def learn(self, token: Any, value: float) -> None:
        self.learnt.append((token, round(value, 6)))


def test_a_peer_goes_on_where_it_stopped_and_what_is_known_costs_nothing() -> None:
    task = _task()
    arm = _Peer(PrunedProblem(task=task, pruner="own", seed=0, epochs=4, budget=7))

    played = play_epochs(task, arm, budget=7)

    assert arm.learnt == [(0.3, 3.3), (0.3, 1.3), (0.3, 1.3), (0.2, 0.2)]
    assert [end.spent for end in played.ends] == [7]


def _run(**changes: Any) -> PrunedRun:
    run = PrunedRun(
        task="f/0",
        arm="bayesian",
        pruner="asha",
        workers=1,
        history="none",
        seed=0,
        full=2,
        code="new",
        epochs=4,
        best=0.0,
        median=0.5,
        ends=((4, 0.2, 0.25), (8, 0.3, 0.0)),
        asked=((0, 0.0, 0.01), (4, 1.0, 0.01)),
    )
    return replace(run, **changes)


def test_regret_is_the_true_one_of_the_trial_that_said_the_best() -> None:
    curve = _run().regrets()

    # Nothing is known before half of the budget, then the first counts: the second said worse.
    assert (curve[:99] == 1.0).all()
    assert (curve[99:] == 0.5).all()


def test_the_share_of_numbers_at_a_bound_is_of_the_active_numbers() -> None:
    assert at_bound(_task(), {"x": 1.0, "y": 0.5}) == 0.5
    assert at_bound(_task(), {"x": 0.002, "y": 0.9}) == 0.0
    assert _run().at_bound() == 0.5
    assert _run().corners() == 1


def test_history_has_curves_and_stopped_trials_and_never_the_target() -> None:
    family = load_family("demo", None)
    spec = HistorySpec(kind="related", studies=2, trials=8)

    past = past_of(family[0], family, spec, 0)

    assert past == past_of(family[0], family, spec, 0)
    states = [[trial.state.name for trial in study] for study in past]
    assert "PRUNED" in states[0]
    assert states[1] == ["COMPLETE"] * 8
    assert all(len(trial.intermediate_values) == 9 for trial in past[1])
    with pytest.raises(HistoryError, match="none and related"):
        past_of(family[0], family, HistorySpec(kind="noise"), 0)


def test_what_cannot_choose_from_a_pool_gets_the_nearest_free_row() -> None:
    pool = [{"x": x, "y": 0.5} for x in (0.1, 0.2, 0.9)]
    rows = NearestRow(_SPACE, pool)

    taken = [rows.take({"x": 0.12, "y": 0.5})["x"] for _ in range(4)]

    assert taken == [0.1, 0.2, 0.9, 0.1]


@pytest.mark.parametrize("arm", ["random", "tpe", "bayesian"])
def test_on_a_pool_every_arm_trains_recorded_configurations_only(arm: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pool = tuple(sample(_SPACE, rng) for _ in range(30))
    seen: list[Params] = []

    def curve(params: Params) -> list[float]:
        seen.append(params)
        return [float(params["x"]) + 3 - step for step in range(4)]

    task = _task(pool=pool, curve=curve)
    plan = PrunedPlan(
        families={"f": [task]},
        targets=frozenset({"f/0"}),
        arms=(arm,),
        pruners=("asha",),
        full=4,
    )

    PrunedCampaign(plan, PrunedFile(tmp_path / "runs.jsonl"), lambda _: None).run()

    assert len(seen) > 5
    assert all(params in pool for params in seen)


def test_a_campaign_with_pruners_goes_on_where_it_stood(tmp_path: Path) -> None:
    said: list[str] = []
    plan = PrunedPlan(
        families={"demo": load_family("demo", None)},
        targets=frozenset({"demo/00"}),
        arms=("random", "bayesian"),
        pruners=("asha", "history", "none"),
        full=2,
    )
    file = tmp_path / "runs.jsonl"

    PrunedCampaign(plan, PrunedFile(file), said.append).run()
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:3]))
    PrunedCampaign(plan, PrunedFile(file), said.append).run()

    # Without history the pruner `history` would stop nothing, and is left out.
    assert said[0] == "4 runs to make"
    assert "1 runs to make" in said
    assert len({run.key for run in read_pruned([file])}) == 4


def test_goals_compare_with_the_same_pruner_and_with_none() -> None:
    def made(arm: str, pruner: str, value: float, history: str = "none") -> list[PrunedRun]:
        ends = ((2, value, value), (8, value, value))
        return [
            _run(task=f"f/{i}", arm=arm, pruner=pruner, history=history, ends=ends)
            for i in range(4)
        ]

    runs = [
        *made("tpe", "asha", 0.45),
        *made("bayesian", "none", 0.15),
        *made("bayesian", "asha", 0.2),
        *made("bayesian", "asha", 0.05, "related:8x40"),
    ]

    found = {figure.name: figure.verdict for figure in goals(runs)}

    assert found["f, bayesian, asha: area over TPE"] == "reached"
    assert found["f, bayesian, asha: area over no pruner"] == "missed"
    assert found["f, bayesian, asha, related:8x40: over cold @25 %"] == "reached"


def test_figures_with_pruners_are_never_of_two_versions() -> None:
    old, new, peer = _run(code="old"), _run(code="new"), _run(arm="tpe", code="other")

    assert of_last_code([old, peer, new]) == ([peer, new], 1)


@pytest.mark.parametrize("family", GROUPS["curves"])
def test_curves_end_at_what_a_task_is_worth_or_near_it(family: str) -> None:
    rng = np.random.default_rng(0)

    for task in load_family(family, None)[:3]:
        assert task.curve is not None
        for params in (sample(task.space, rng) for _ in range(50)):
            assert task.best - 1e-9 <= task.evaluate(params)
            assert abs(task.curve(params)[-1] - task.evaluate(params)) < 0.1
            assert task.curve(params)[-1] == (task.told or task.evaluate)(params)


def test_early_ranks_mislead_only_where_they_are_said_to() -> None:
    rng = np.random.default_rng(0)
    agreement = {}
    for family in ("demo", "cross"):
        task = load_family(family, None)[0]
        assert task.curve is not None
        curves = np.array([task.curve(sample(task.space, rng)) for _ in range(300)])
        ranks = [np.argsort(np.argsort(curves[:, step])) for step in (0, -1)]
        agreement[family] = np.corrcoef(ranks)[0, 1]

    assert agreement["demo"] > 0.9 > 0.7 > agreement["cross"]
