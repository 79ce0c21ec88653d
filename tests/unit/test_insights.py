"""What the trials of a study say about its parameters, as `_study/insights.json` tells it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter
from sklearn.tree import DecisionTreeRegressor

from tests.support.history.database import HistoryDatabase, complete, history_database
from tuner.documents.study_folder.insights import InsightsDocument
from tuner.service.insights.document import insights_document, next_range
from tuner.service.insights.fanova import NO_FOREST, Tree
from tuner.service.insights.form import important
from tuner.space.parameter import Parameter

SPACE: dict[str, Any] = {
    "train.rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
    "train.kind": {"type": "categorical", "values": ["adam", "sgd"]},
    "train.momentum": {"type": "float", "low": 0.0, "high": 0.9, "when": {"train.kind": ["sgd"]}},
    "model.left": {"type": "float", "low": 0.0, "high": 1.0},
    "model.right": {"type": "float", "low": 0.0, "high": 1.0},
    "model.idle": {"type": "int", "low": 1, "high": 9},
    "epochs": {"type": "fixed", "value": 5},
}


@pytest.fixture
def base(tmp_path: Path) -> Iterator[HistoryDatabase]:
    with history_database(tmp_path) as base:
        yield base


def drawn(count: int, seed: int = 0) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    trials = []
    for _ in range(count):
        # Some lie at the upper end itself, as those of a sampler do.
        params: dict[str, Any] = {"train.rate": float(10 ** min(random.uniform(-4, -0.5), -1))}
        params["train.kind"] = ["adam", "sgd"][random.integers(2)]
        if params["train.kind"] == "sgd":
            params["train.momentum"] = float(random.uniform(0, 0.9))
        params["model.left"] = float(random.uniform())
        params["model.right"] = float(random.uniform())
        params["model.idle"] = int(random.integers(1, 10))
        trials.append({**params, "epochs": 5})
    return trials


def score(params: dict[str, Any]) -> float:
    """The rate by its upper end, and the momentum where there is one."""
    momentum = (params.get("train.momentum", 0.9) - 0.9) ** 2
    return float(np.log10(params["train.rate"]) - 2.0 * momentum)


def document(base: HistoryDatabase, rows: list[Any], **changes: Any) -> dict[str, Any]:
    base.add_study("s", rows, **{"search_space": SPACE, **changes})
    found = insights_document(base.storage, 1)
    assert found is not None
    TypeAdapter(InsightsDocument).validate_python(found, strict=True)
    loaded: dict[str, Any] = json.loads(json.dumps(found, allow_nan=False))
    return loaded


def method(found: dict[str, Any], name: str) -> dict[str, Any]:
    answer: dict[str, Any] = found["importance"]["methods"][name]
    return answer


def shares(found: dict[str, Any], name: str) -> dict[str, float]:
    return {item["name"]: item["share"] for item in method(found, name)["parameters"]}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the insights into 150 trials, which several tests look at."""
    with history_database(tmp_path_factory.mktemp("usual")) as base:
        return document(base, [complete(p, score(p)) for p in drawn(150)])


@pytest.mark.parametrize("name", ["main_effects", "ped_anova", "fanova"])
def test_each_method_names_what_decides_first(usual: dict[str, Any], name: str) -> None:
    found = shares(usual, name)
    assert next(iter(found)) == "train.rate"
    assert found["model.idle"] < 0.1
    assert "epochs" not in found
    active = {item["name"]: item["active"] for item in method(usual, name)["parameters"]}
    assert active["train.rate"] == 1.0
    assert 0.3 < active["train.momentum"] < 0.7
    assert method(usual, name)["why"] == ""


def test_a_parameter_that_depends_is_weighed_where_it_is_active(usual: dict[str, Any]) -> None:
    (item,) = method(usual, "ped_anova")["conditions"]
    assert item["name"] == "train.momentum"
    assert item["when"] == {"train.kind": ["sgd"]}
    assert item["share"] > shares(usual, "ped_anova")["train.momentum"]


def test_what_two_parameters_do_together_and_neither_alone_is_told_apart(
    base: HistoryDatabase,
) -> None:
    rows = [complete(p, p["model.left"] * p["model.right"]) for p in drawn(200)]
    found = document(base, rows)
    pair, *others = method(found, "fanova")["pairs"]
    assert sorted(pair["names"]) == ["model.left", "model.right"]
    # 1/7 of the variance of a product of two uniform numbers is owed to neither of them alone.
    assert 0.07 < pair["share"] < 0.25
    assert all(other["share"] < pair["share"] / 2 for other in others)


def test_a_tree_divides_its_variance_as_a_grid_over_all_its_cells_does() -> None:
    random = np.random.default_rng(3)
    x = random.uniform(size=(80, 3))
    x[:, 1] = x[:, 1].round()
    y = x[:, 0] * x[:, 1] + np.sin(5 * x[:, 2]) * x[:, 0] + 0.1 * random.normal(size=80)
    fitted = DecisionTreeRegressor(max_depth=6, min_samples_leaf=2, random_state=0).fit(x, y)
    tree = Tree(fitted.tree_, np.array([0, 1, 1]))  # the last two columns are one parameter

    cuts = [
        np.unique([0.0, 1.0, *fitted.tree_.threshold[fitted.tree_.feature == column]])
        for column in range(3)
    ]
    middles = np.meshgrid(*[(cut[1:] + cut[:-1]) / 2 for cut in cuts], indexing="ij")
    sizes = np.meshgrid(*[np.diff(cut) for cut in cuts], indexing="ij")
    cells = np.stack([middle.ravel() for middle in middles], axis=1)
    values, weights = fitted.predict(cells).reshape(middles[0].shape), np.prod(sizes, axis=0)
    values = values - (values * weights).sum()

    def variance(*others: int) -> float:
        """Of the mean over the other columns."""
        weight = weights.sum(axis=others)
        mean = (values * weights).sum(axis=others) / weight
        return float((weight * mean**2).sum())

    assert tree.variance == pytest.approx(variance())
    assert tree.marginal([0]) == pytest.approx(variance(1, 2))
    assert tree.marginal([1]) == pytest.approx(variance(0))
    assert tree.marginal([0, 1]) == pytest.approx(variance())
    assert tree.marginal([0]) + tree.marginal([1]) < 0.95 * tree.variance
    assert tree.marginal([2]) == 0.0


def test_best_values_at_an_end_come_with_a_range_to_try_next(usual: dict[str, Any]) -> None:
    (edge,) = usual["edges"]
    assert (edge["name"], edge["end"], edge["high"]) == ("train.rate", "high", 0.1)
    assert edge["try"]["log"] is True
    assert edge["try"]["low"] < 0.1 < edge["try"]["high"]


def test_advice_says_what_matters_what_does_not_and_what_lies_at_an_end(
    usual: dict[str, Any],
) -> None:
    said = {(item["kind"], item.get("parameter")) for item in usual["advice"]}
    assert {("matters", "train.rate"), ("edge", "train.rate"), ("little", "model.idle")} <= said
    assert ("little", "train.momentum") not in said
    (more,) = [item["text"] for item in usual["advice"] if item["kind"] == "more_trials"]
    assert "find a better value: chance about" in more
    (edge,) = [item["text"] for item in usual["advice"] if item["kind"] == "edge"]
    assert "upper end" in edge
    assert "try" in edge


def test_parameters_stand_in_the_order_of_what_they_decide(usual: dict[str, Any]) -> None:
    assert important(usual)[0] == "train.rate"
    assert "epochs" not in important(usual)
    assert important(None) == []


def test_with_few_trials_the_cause_is_said_and_nothing_else(base: HistoryDatabase) -> None:
    found = document(base, [complete(p, score(p)) for p in drawn(9)])
    assert found["importance"] == {
        "why": "not known before 10 trials have a result",
        "methods": {},
    }
    assert (found["edges"], found["advice"], found["trials"]) == ([], [], 9)


def test_with_equal_results_each_method_says_so(base: HistoryDatabase) -> None:
    found = document(base, [complete(p, 0.5) for p in drawn(30)])
    assert found["importance"]["why"] == "all trials came out the same"
    for name in ("main_effects", "ped_anova", "fanova"):
        assert method(found, name)["why"]
        assert method(found, name)["parameters"] == []


def test_stopped_trials_alone_say_nothing_of_what_the_best_have(base: HistoryDatabase) -> None:
    rows = [complete(p, score(p), state="pruned") for p in drawn(30)]
    found = document(base, rows)
    assert method(found, "ped_anova")["why"] == "not known before 10 trials are complete"
    assert "train.rate" in shares(found, "main_effects")
    assert [item for item in found["advice"] if item["kind"] == "pruning"]


def test_without_scikit_learn_the_others_hold(
    base: HistoryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = document(base, [complete(p, score(p)) for p in drawn(30)])
    assert method(found, "fanova")["why"] == NO_FOREST
    assert shares(found, "ped_anova")["train.rate"] > 0.2
    assert found["importance"]["why"] == ""


def test_a_goal_to_minimise_says_the_same_of_mirrored_values(base: HistoryDatabase) -> None:
    rows = [complete(p, -score(p)) for p in drawn(60)]
    found = document(base, rows, metric={"name": "loss", "goal": "minimize"})
    assert found["edges"][0]["end"] == "high"
    assert next(iter(shares(found, "ped_anova"))) == "train.rate"


def test_several_metrics_share_what_each_explains(base: HistoryDatabase) -> None:
    rows = [
        complete(
            p,
            score(p),
            values_json=json.dumps([score(p), p["model.idle"] * 1.0]),
        )
        for p in drawn(80)
    ]
    metric = [{"name": "a", "goal": "maximize"}, {"name": "b", "goal": "minimize"}]
    found = document(base, rows, metric=metric)
    assert set(list(shares(found, "ped_anova"))[:2]) == {"train.rate", "model.idle"}


def test_a_trial_that_history_chose_is_told_with_its_trust(base: HistoryDatabase) -> None:
    trusts = [None, 0.9, 0.5, 0.05]
    models = ["prior", "warm+cold", "warm+cold", "warm+cold"]
    rows = [
        complete(
            p,
            score(p),
            proposal_json=json.dumps(
                {
                    "sampler": "bayesian",
                    "trials": number,
                    "told": number,
                    "insight": {"model": model, "trust": trust},
                }
            ),
        )
        for number, (p, trust, model) in enumerate(zip(drawn(4), trusts, models, strict=True))
    ]
    found = document(base, rows)
    assert found["history"] == [
        {"trial": 0, "share": 1.0, "trust": None, "proposed_by_history": True},
        {"trial": 1, "share": 0.9, "trust": 0.9, "proposed_by_history": True},
        {"trial": 2, "share": 0.5, "trust": 0.5, "proposed_by_history": True},
        {"trial": 3, "share": 0.05, "trust": 0.05, "proposed_by_history": False},
    ]
    (text,) = [item["text"] for item in found["advice"] if item["kind"] == "history"]
    assert text == "history chose 3 of 4 trials; it is trusted 5% now, 90% at first"


def test_a_study_that_is_gone_has_no_insights(base: HistoryDatabase) -> None:
    assert insights_document(base.storage, 7) is None


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        (
            Parameter(name="a", kind="float", low=1e-4, high=1e-2, log=True),
            1e-2,
            {"low": 1e-3, "high": 1e-1, "log": True},
        ),
        (
            Parameter(name="a", kind="float", low=0.2, high=0.6),
            0.2,
            {"low": 0.0, "high": 0.4, "log": False},
        ),
        (
            Parameter(name="a", kind="int", low=1, high=8),
            8,
            {"low": 4, "high": 12, "log": False},
        ),
        (
            Parameter(name="a", kind="int", low=4, high=64, log=True),
            64,
            {"low": 16, "high": 260, "log": True},
        ),
        (Parameter(name="a", kind="ordinal", values=(1, 2, 4)), 4, None),
    ],
)
def test_the_range_to_try_next_is_as_wide_and_lies_around_the_best_value(
    parameter: Parameter, value: float, expected: dict[str, Any] | None
) -> None:
    assert next_range(parameter, value) == expected
