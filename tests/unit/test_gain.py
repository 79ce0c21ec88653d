"""The estimate of what history gained: its direction, its honesty, its limits."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.study import StudyDirection

from tuner.samplers.bayesian.observations import ObservationReader
from tuner.samplers.bayesian.proposing import Request, choose
from tuner.samplers.bayesian.space.adapter import declared
from tuner.samplers.bayesian.start import START
from tuner.service.answers.wording import gain_text
from tuner.service.explanations.gain import Results, estimate_gain
from tuner.service.explanations.shadows import beginnings
from tuner.service.explanations.value_scale import ValueScale
from tuner.space import SearchSpace
from tuner.space.encoding import Encoding

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


def test_history_that_chose_nothing_has_gained_nothing() -> None:
    best = {"a.x": 0.7, "a.y": 0.2, "a.kind": "v"}
    params = [best, *configurations(3, 3)]
    found = estimate_gain(replace(results(params), history=[0.0, 0.19, 0.0, 0.1]))

    assert found is not None
    assert found["verdict"] == "none"
    assert found["saved"] == {"median": 0.0, "low": 0.0, "high": 0.0}
    assert found["cold_trials"]["median"] == found["reached_at"] == 1
    assert gain_text(found) == "none: history chose none of the trials"


def test_what_a_study_found_by_itself_after_a_bad_first_choice_is_not_history_s_merit() -> None:
    bad = {"a.x": 0.0, "a.y": 1.0, "a.kind": "u"}
    best = {"a.x": 0.7, "a.y": 0.2, "a.kind": "v"}
    params = [bad, best, *configurations(10, 4)]
    alone = estimate_gain(replace(results(params), history=[1.0, *[0.05] * 11]))
    credited = estimate_gain(results(params))

    assert alone is not None
    assert credited is not None
    assert (alone["verdict"], alone["chosen"]) == ("cost", 1)
    assert alone["saved"]["median"] == -1
    assert credited["saved"]["median"] > 0, "with the say in all of them it would be"
    assert gain_text(alone).startswith("not worth it: history cost about 1 trial (")


def test_history_that_chose_the_best_at_once_is_credited_with_it() -> None:
    best = {"a.x": 0.7, "a.y": 0.2, "a.kind": "v"}
    found = estimate_gain(
        replace(results([best, *configurations(10, 4)]), history=[1.0, *[0] * 10])
    )

    assert found is not None
    assert (found["verdict"], found["chosen"]) == ("saved", 1)
    assert "saved (" in gain_text(found)


def gain(saved: float, low: float, high: float, verdict: str, **more: Any) -> dict[str, Any]:
    return {
        "verdict": verdict,
        "saved": {"median": saved, "low": low, "high": high},
        "cold_trials": {"median": 20 + saved, "low": 20 + low, "high": 20 + high},
        "reached_at": 20,
        "not_reached": 0.0,
        **more,
    }


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (gain(7, 2, 14, "saved"), "about 7 trials saved (2 to 14): "),
        (gain(7, 2, 40, "saved", not_reached=0.2), "about 7 trials saved (2 to 40 or more): "),
        (gain(7, -3, 14, "saved"), "perhaps 7 trials saved (from 3 lost to 14 saved): "),
        (gain(0.2, -3, 4, "even"), "no trials saved (from 3 lost to 4 saved): "),
        (gain(-5, -9, -1, "cost"), "not worth it: history cost about 5 trials (1 to 9): "),
        (
            gain(-1, -9, 2, "cost"),
            "not worth it: history cost about 1 trial (from 9 lost to 2 saved): ",
        ),
    ],
)
def test_a_receipt_says_what_was_saved_and_what_was_lost(found: dict[str, Any], text: str) -> None:
    cold = round(found["cold_trials"]["median"])

    assert gain_text(found) == (
        f"{text}after 20 trials it was where a cold start would have been after about {cold}"
    )


def test_trials_that_were_pruned_count_and_their_last_reports_are_no_results() -> None:
    params = sorted(configurations(14, 3), key=loss, reverse=True)
    whole = [index for index in range(14) if index % 4 == 1]
    curves = [
        {step: loss(one) + 1.0 / step for step in range(1, 9 if index in whole else 3)}
        for index, one in enumerate(params)
    ]
    found = estimate_gain(
        Results(
            space=SPACE,
            maximize=False,
            params=params,
            values=[list(curve.values())[-1] for curve in curves],
            reports=curves,
            pruned=[index not in whole for index in range(14)],
        )
    )

    assert found is not None
    assert found["trials"] == 14
    assert found["best"] == pytest.approx(curves[13][8]), "of the four that ended"
    assert found["reached_at"] - 1 in whole


def test_a_shadow_begins_as_the_sampler_begins() -> None:
    encoding = Encoding(SPACE)
    dialect = declared(SPACE)
    firsts = beginnings(encoding)

    assert firsts.shape[1] == START
    for number in range(START):
        told = [
            optuna.trial.create_trial(
                value=1.0, params=dialect.params(x), distributions=dialect.distributions
            )
            for x in firsts[0, :number]
        ]
        for index, trial in enumerate(told):
            trial.number = index
        seen = ObservationReader(dialect, [StudyDirection.MINIMIZE], {}).read(told, number)
        chosen = choose(Request(encoding=encoding, seen=seen, number=number, seed=number))
        assert chosen.insight["model"] == "start"
        assert np.array_equal(chosen.x, firsts[0, number])


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
