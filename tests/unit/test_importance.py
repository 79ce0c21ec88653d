"""Which parameters matter in a study, and which best values lie at an end of their range."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from pydantic import TypeAdapter

from tests.support.history.database import HistoryDatabase, complete, history_database
from tuner.documents.importance import Importance
from tuner.service.importance.asking import LEAST, importance_document
from tuner.service.importance.effects import EffectColumn, effect_shares
from tuner.storage import tables

SPACE: dict[str, Any] = {
    "train.rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
    "train.kind": {"type": "categorical", "values": ["adam", "sgd"]},
    "train.momentum": {"type": "float", "low": 0.0, "high": 0.9, "when": {"train.kind": ["sgd"]}},
    "model.width": {"type": "int", "low": 8, "high": 64},
    "model.size": {"type": "ordinal", "values": [16, 32, 64]},
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
        params: dict[str, Any] = {"train.rate": float(10 ** random.uniform(-4, -1))}
        params["train.kind"] = ["adam", "sgd"][random.integers(2)]
        if params["train.kind"] == "sgd":
            params["train.momentum"] = float(random.uniform(0, 0.9))
        params["model.width"] = int(random.integers(8, 65))
        params["model.size"] = [16, 32, 64][random.integers(3)]
        trials.append({**params, "epochs": 5})
    return trials


def score(params: dict[str, Any]) -> float:
    """The rate decides, by its logarithm and from both sides; the kind a little."""
    bowl = (np.log10(params["train.rate"]) + 2.5) ** 2
    return float(1.0 - bowl - 0.3 * (params["train.kind"] == "sgd"))


def document(base: HistoryDatabase, rows: list[Any], **changes: Any) -> dict[str, Any]:
    base.add_study("s", rows, **{"search_space": SPACE, **changes})
    with base.storage.read() as connection:
        study = connection.execute(sa.select(tables.studies)).one()
        found = importance_document(connection, study)
    return TypeAdapter(Importance).validate_python(found)


def shares(found: dict[str, Any]) -> dict[str, float]:
    return {p["name"]: p["share"] for p in found["parameters"]}


def test_what_decides_stands_first_and_what_does_not_in_the_order_of_the_spec(
    base: HistoryDatabase,
) -> None:
    found = document(base, [complete(p, score(p)) for p in drawn(40)])

    names = [p["name"] for p in found["parameters"]]
    assert names[:2] == ["train.rate", "train.kind"]
    assert names[2:] == ["train.momentum", "model.width", "model.size"], "epochs is fixed"
    assert found["why"] == ""
    assert shares(found)["train.rate"] > 0.8
    assert sum(shares(found).values()) == pytest.approx(1.0)
    assert shares(found)["model.width"] == 0.0


@pytest.mark.parametrize("count", [0, 1, LEAST - 1])
def test_with_few_results_nothing_is_said(base: HistoryDatabase, count: int) -> None:
    found = document(base, [complete(p, score(p)) for p in drawn(count)])

    assert set(shares(found).values()) == {None}
    assert list(shares(found)) == [name for name in SPACE if name != "epochs"]
    assert found["why"] == "not known before 10 trials have a result"
    assert found["edges"] == []


def test_trials_that_came_out_the_same_teach_nothing(base: HistoryDatabase) -> None:
    same = document(base, [complete(p, 0.5) for p in drawn(30)])

    assert same["why"] == "all trials came out the same"
    assert set(shares(same).values()) == {None}


def test_where_most_trials_are_equally_good_the_others_still_teach(base: HistoryDatabase) -> None:
    trials = drawn(40)
    rows = [complete(p, 0.5 if p["train.kind"] == "adam" else score(p)) for p in trials]
    found = document(base, rows)

    assert shares(found)["train.kind"] is not None
    assert sum(shares(found).values()) == pytest.approx(1.0)


def test_values_that_are_chance_name_no_parameter(base: HistoryDatabase) -> None:
    random = np.random.default_rng(1)
    found = document(base, [complete(p, float(random.normal())) for p in drawn(30)])

    assert found["why"] == "no parameter stands out of what chance does"


def test_pruned_trials_count_with_their_last_report_and_failed_ones_do_not(
    base: HistoryDatabase,
) -> None:
    rows = [complete(p, score(p), state="pruned") for p in drawn(20)]
    rows += [complete(p, score(p)) for p in drawn(5, seed=1)]
    rows += [complete(p, 1e9, state="fail") for p in drawn(5, seed=2)]
    found = document(base, rows)

    assert found["trials"] == 25
    assert found["parameters"][0]["name"] == "train.rate"


def test_one_training_that_diverged_does_not_hide_the_others(base: HistoryDatabase) -> None:
    trials = drawn(40)
    rows = [complete(p, -1e12 if n == 7 else score(p)) for n, p in enumerate(trials)]

    assert shares(document(base, rows))["train.rate"] > 0.5


def test_of_three_hundred_parameters_without_an_effect_few_are_named() -> None:
    random = np.random.default_rng(2)
    at = random.random((50, 300))
    found = effect_shares(
        [EffectColumn(at=at[:, i], is_choice=False) for i in range(300)], (at[:, 17] - 0.3) ** 2
    )

    assert found is not None
    assert max(found) == found[17]
    assert sum(share > 0 for share in found) <= 3


def test_a_conditional_parameter_is_judged_where_it_is_active() -> None:
    random = np.random.default_rng(3)
    at = random.random(60)
    active = random.random(60) < 0.5
    costs = np.where(active, 4.0 * (at - 0.5) ** 2, 0.3)
    columns = [
        EffectColumn(at=np.where(active, at, np.nan), is_choice=False),
        EffectColumn(at=random.random(60), is_choice=False),
        EffectColumn(at=np.full(60, 0.5), is_choice=False),
    ]

    assert effect_shares(columns, costs) == [1.0, 0.0, 0.0]


def test_a_best_value_at_an_end_of_its_range_is_told(base: HistoryDatabase) -> None:
    trials = drawn(40)
    for number in range(6):
        trials[number] |= {"train.rate": 0.1 if number == 0 else 0.09, "model.size": 64}
    rows = [complete(p, np.log10(p["train.rate"]) + p["model.size"] / 1000) for p in trials]
    found = {edge["name"]: edge for edge in document(base, rows)["edges"]}

    assert found["train.rate"]["value"] == 0.1
    assert (found["train.rate"]["end"], found["train.rate"]["high"]) == ("high", 0.1)
    assert found["model.size"]["end"] == "high"
    assert "model.width" not in found


def test_an_end_that_cannot_move_or_that_one_trial_alone_is_at_is_not_told(
    base: HistoryDatabase,
) -> None:
    trials = drawn(40)
    for number in range(6):
        trials[number] |= {"train.kind": "sgd", "train.momentum": 0.0}
    trials[0]["model.width"] = 64
    for number in range(1, 6):
        trials[number]["model.width"] = 20 + number
    rows = [complete(p, 5.0 - n if n < 6 else -n) for n, p in enumerate(trials)]
    found = [edge["name"] for edge in document(base, rows)["edges"]]

    assert "train.momentum" not in found, "below 0 there is nothing"
    assert "model.width" not in found


def test_of_several_metrics_each_is_explained_by_itself(base: HistoryDatabase) -> None:
    rows = []
    for p in drawn(40):
        values = [score(p), float(p["model.width"])]
        rows.append({**complete(p, 0.0), "objective": None, "values_json": json.dumps(values)})
    metrics = [{"name": "a", "goal": "maximize"}, {"name": "b", "goal": "minimize"}]
    found = document(base, rows, metric=metrics)

    assert shares(found)["model.width"] == pytest.approx(0.5, abs=0.05)
    assert shares(found)["train.rate"] > 0.4
    assert (found["edges"], found["best"]) == ([], 0)
