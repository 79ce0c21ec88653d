"""Whether more trials are likely to pay: what is said, and that it is said honestly."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from tests.support.history.database import HistoryDatabase, complete, history_database
from tuner.service.insights.document import insights_document
from tuner.service.insights.improvement import next_trials, told_chance

SPACE: dict[str, Any] = {
    "a.x": {"type": "float", "low": 0.0, "high": 1.0},
    "a.y": {"type": "float", "low": 0.0, "high": 1.0},
}


@pytest.fixture
def base(tmp_path: Any) -> Any:
    with history_database(tmp_path) as base:
        yield base


def found(base: HistoryDatabase, rows: list[Any], **changes: Any) -> dict[str, Any]:
    base.add_study("s", rows, **{"search_space": SPACE, **changes})
    document = insights_document(base.storage, 1)
    assert document is not None
    improvement: dict[str, Any] = json.loads(json.dumps(document, allow_nan=False))["improvement"]
    return improvement


def drawn(count: int, near: float = 0.0, seed: int = 0) -> list[dict[str, float]]:
    """Return points of the space; `near` draws them together around its middle."""
    places = np.random.default_rng(seed).uniform(near / 2, 1 - near / 2, size=(count, 2))
    return [{"a.x": float(x), "a.y": float(y)} for x, y in places]


def slope(params: dict[str, float]) -> float:
    return params["a.x"] + params["a.y"]


def bowl(params: dict[str, float]) -> float:
    return -((params["a.x"] - 0.5) ** 2) - (params["a.y"] - 0.5) ** 2


def test_where_a_better_value_is_in_sight_more_trials_pay(base: HistoryDatabase) -> None:
    params = [p for p in drawn(90) if slope(p) < 1.0][:25]
    said = found(base, [complete(p, slope(p)) for p in params])
    best = max(map(slope, params))
    assert said["why"] == ""
    assert said["next_trials"] == 10
    assert said["chance"] > 0.7
    assert best <= said["low"] <= said["expected"] <= said["high"]
    assert said["expected"] > best
    assert said["regret"] > 0.1


def test_where_the_best_place_is_searched_through_they_hardly_do(base: HistoryDatabase) -> None:
    params = [*drawn(20), *drawn(40, near=0.95, seed=1), {"a.x": 0.5, "a.y": 0.5}]
    said = found(base, [complete(p, bowl(p)) for p in params])
    assert said["chance"] < 0.4
    assert said["expected"] == pytest.approx(0.0, abs=0.01)
    assert 0.0 <= said["regret"] < 0.2


def test_a_goal_to_minimise_is_told_in_its_own_direction(base: HistoryDatabase) -> None:
    params = [p for p in drawn(90) if slope(p) < 1.0][:25]
    metric = {"name": "loss", "goal": "minimize"}
    said = found(base, [complete(p, -slope(p)) for p in params], metric=metric)
    best = -max(map(slope, params))
    assert said["low"] <= said["expected"] <= said["high"] <= best


def test_what_is_expected_stays_within_what_the_metric_can_be(base: HistoryDatabase) -> None:
    params = [p for p in drawn(120) if slope(p) < 1.3][:40]
    metric = {"name": "val_accuracy", "goal": "maximize"}
    said = found(base, [complete(p, 0.75 * slope(p)) for p in params], metric=metric)
    assert said["high"] <= 1.0
    assert said["regret"] <= 1.0 - 0.75 * max(map(slope, params)) + 1e-9


def test_trials_of_a_sampler_that_learns_nothing_have_the_chance_of_records(
    base: HistoryDatabase,
) -> None:
    rows = [complete(p, slope(p)) for p in drawn(30)]
    said = found(base, rows, sampler={"name": "random", "seed": 1})
    assert said["chance"] == 10 / 40
    assert said["expected"] is None


def test_the_chance_of_a_record_is_kept() -> None:
    random = np.random.default_rng(0)
    values = random.standard_normal((4000, 40))
    kept = (values[:, 30:].max(axis=1) > values[:, :30].max(axis=1)).mean()
    assert kept == pytest.approx(10 / 40, abs=0.03)


@pytest.mark.parametrize(
    ("count", "value", "why"),
    [
        (14, None, "not known before 15 trials are complete"),
        (20, 0.5, "the results cannot be modelled: they hardly differ"),
    ],
)
def test_what_cannot_be_said_has_its_cause(
    base: HistoryDatabase, count: int, value: float | None, why: str
) -> None:
    rows = [complete(p, slope(p) if value is None else value) for p in drawn(count)]
    said = found(base, rows)
    assert said["why"] == why
    assert said["chance"] is None


@pytest.mark.parametrize(
    ("whole", "left", "ahead"), [(20, None, 10), (100, None, 25), (1000, None, 50), (100, 7, 7)]
)
def test_it_looks_a_quarter_ahead_within_the_budget(
    whole: int, left: int | None, ahead: int
) -> None:
    assert next_trials(whole, left) == ahead


@pytest.mark.parametrize("sampler", ["bayesian", "tpe"])
def test_a_chance_that_is_told_grows_with_the_models_and_is_never_certain(sampler: str) -> None:
    seen = [0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999]
    told = [told_chance(chance, sampler) for chance in seen]
    assert told == sorted(told)
    assert told[0] > 0.0
    assert told[-1] < 1.0
    assert not any(math.isnan(chance) for chance in told)
