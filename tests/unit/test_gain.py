"""The estimate of what history gained: its direction, its honesty, its limits."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from tuner.service.gain import Results, estimate_gain
from tuner.service.value_scale import ValueScale
from tuner.space import SearchSpace

SPACE = SearchSpace.from_json(
    {
        "parameters": {
            "a.x": {"type": "float", "low": 0.0, "high": 1.0},
            "a.y": {"type": "float", "low": 0.0, "high": 1.0},
            "a.kind": {"type": "categorical", "values": ["u", "v"]},
        }
    }
)


def loss(params: dict[str, Any]) -> float:
    x, y = params["a.x"] - 0.7, params["a.y"] - 0.2
    return math.sqrt(x * x + y * y) + 0.5 * (params["a.kind"] == "u")


def configurations(count: int, seed: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    return [
        {"a.x": chance.random(), "a.y": chance.random(), "a.kind": chance.choice("uv")}
        for _ in range(count)
    ]


def results(params: list[dict[str, Any]], *, maximize: bool = False) -> Results:
    sign = -1.0 if maximize else 1.0
    values = [sign * loss(one) for one in params]
    return Results(space=SPACE, maximize=maximize, params=params, values=values)


@pytest.mark.parametrize("maximize", [False, True])
def test_a_study_that_began_at_the_best_has_saved_what_one_that_searched_has_not(
    maximize: bool,
) -> None:
    others = sorted(configurations(24, 3), key=loss, reverse=True)
    best = {"a.x": 0.7, "a.y": 0.2, "a.kind": "v"}
    early = estimate_gain(results([best, *others], maximize=maximize))
    late = estimate_gain(results([*others, best], maximize=maximize))

    assert early is not None
    assert late is not None
    assert (early["reached_at"], late["reached_at"]) == (1, 25)
    assert early["saved"]["low"] >= 0
    assert late["saved"]["median"] < 0, "a cold start would not have taken 25"
    assert early["best"] == late["best"] == 0.0
    assert early["cold_trials"] == {k: early["saved"][k] + 1 for k in ("median", "low", "high")}
    bests = [mark["best"] for mark in late["curve"]]
    assert bests == sorted(bests, reverse=not maximize)


def test_the_same_results_give_the_same_estimate() -> None:
    params = configurations(12, 5)

    assert estimate_gain(results(params)) == estimate_gain(results(params))


def test_what_noise_added_to_the_best_result_need_not_be_reached() -> None:
    chance = random.Random(2)
    params = configurations(60, 7)
    values = [loss(one) + chance.gauss(0.0, 0.1) for one in params]
    exact = estimate_gain(results(params))
    noisy = estimate_gain(Results(space=SPACE, maximize=False, params=params, values=values))

    assert exact is not None
    assert noisy is not None
    assert exact["goal"] - exact["best"] < 0.03
    assert noisy["goal"] - noisy["best"] > 0.05


@pytest.mark.parametrize("count", [0, 4])
def test_few_results_give_no_estimate(count: int) -> None:
    assert estimate_gain(results(configurations(count, 1))) is None


def test_equal_results_give_no_estimate() -> None:
    params = configurations(9, 1)
    assert (
        estimate_gain(Results(space=SPACE, maximize=True, params=params, values=[1.0] * 9)) is None
    )


@pytest.mark.parametrize("maximize", [False, True])
def test_a_prediction_is_put_back_into_the_unit_of_the_metric(maximize: bool) -> None:
    values = [0.5, 0.9, 0.7, 0.8, 0.85, 0.1]
    scale = ValueScale(values, maximize=maximize)
    best, worst = (max(values), min(values)) if maximize else (min(values), max(values))

    assert scale.value(-1e9) is not None
    ends = [scale.value(scale._z[0]), scale.value(scale._z[-1])]
    assert ends == [best, worst]
    better = scale.value(float(scale._z[0]) - 0.1)
    assert better is not None
    assert (better > best) == maximize, "it goes on beyond the best"
    assert scale.value(1e9) == worst, "and ends at the worst"
    assert scale.value(None) is None
    assert ValueScale([0.5], maximize=maximize).value(0.0) is None
