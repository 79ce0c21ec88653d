"""The sampler `bayesian` where trials fail: in a part of the space, anywhere, or all of them."""

from __future__ import annotations

import copy
import math
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import Trial, TrialState

from tuner.samplers.bayesian import BayesianSampler
from tuner.space import SearchSpace
from tuner.space.optuna import distribution, from_optuna
from tuner.trials.causes import CAUSE_ATTR

UNIT = {"type": "float", "low": 0.0, "high": 1.0}
THREE = {"x": UNIT, "y": UNIT, "w": UNIT}
BOWL = {"x": 0.3, "y": 0.6, "w": 0.7}
Params = dict[str, Any]
#: Takes a configuration and the trial's number; None: it fails.
Objective = Callable[[Params, int], float | None]


def bowl(params: Params) -> float:
    return sum((params[name] - at) ** 2 for name, at in BOWL.items() if name in params)


def outcomes(
    space: Params, objective: Objective, trials: int = 40, seed: int = 0
) -> list[float | None]:
    """Return what became of each trial of a study whose failures are told as FAIL."""
    declared = SearchSpace.from_json({"parameters": space})
    study = optuna.create_study(study_name="s", sampler=BayesianSampler(declared, seed=seed))
    found = []
    for number in range(trials):
        trial = study.ask()
        value = objective(suggest(trial, declared), number)
        study.tell(trial, value, state=TrialState.FAIL if value is None else TrialState.COMPLETE)
        found.append(value)
    return found


def suggest(trial: Trial, space: SearchSpace) -> Params:
    return space.walk(lambda p: from_optuna(p, trial._suggest(p.name, distribution(p))))


def half_space(params: Params, _number: int) -> float | None:
    height = params["x"] + 1.2 * params["y"]
    return None if height > 1.3 else -height


def corner(params: Params, _number: int) -> float | None:
    is_bad = min(params.values()) > 0.6
    return None if is_bad else sum((value - 0.8) ** 2 for value in params.values())


def product(params: Params, _number: int) -> float | None:
    if params["kernel"] * params["pool"] > 12:
        return None
    return -0.1 * params["kernel"] - 0.15 * params["pool"] + abs(math.log2(params["units"]) - 6) / 4


def choice(params: Params, _number: int) -> float | None:
    return None if params["kind"] == "c" else bowl(params) + 0.1 * (params["kind"] == "a")


def condition(params: Params, _number: int) -> float | None:
    return None if params.get("momentum", 0) > 0.3 else bowl(params) - params.get("momentum", 0)


def slab(params: Params, _number: int) -> float | None:
    return None if 0.2 < params["x"] < 0.35 else bowl(params)


KIND = {"type": "categorical", "values": ["a", "b", "c"]}
SHAPES: dict[str, tuple[Params, Objective]] = {
    "half-space": ({"x": UNIT, "y": UNIT}, half_space),
    "corner": (THREE, corner),
    "product": (
        {
            "kernel": {"type": "int", "low": 1, "high": 7},
            "pool": {"type": "int", "low": 1, "high": 4},
            "units": {"type": "int", "low": 16, "high": 256, "log": True},
        },
        product,
    ),
    "choice": ({"kind": KIND, "x": UNIT, "y": UNIT}, choice),
    "condition": (
        {"kind": KIND, "momentum": {**UNIT, "when": {"kind": ["b"]}}, "x": UNIT, "y": UNIT},
        condition,
    ),
    "slab": (THREE, slab),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_part_of_the_space_that_fails_is_left_alone(shape: str) -> None:
    found = outcomes(*SHAPES[shape])

    # Without the lesson 30 to 38 fail: the model of what works leads there again and again.
    assert found.count(None) <= 12


def test_not_a_number_in_an_undeclared_space_keeps_the_search_away() -> None:
    def objective(trial: Trial) -> float:
        x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
        return math.nan if x + y > 1 else x + y

    failed = 0
    for seed in (1, 2, 3):
        sampler = BayesianSampler(seed=seed)
        study = optuna.create_study(study_name="s", direction="maximize", sampler=sampler)
        study.optimize(objective, n_trials=40)
        failed += sum(trial.state == TrialState.FAIL for trial in study.trials)
        assert study.best_value > 0.97

    # 38 of 40 each, when a FAIL was no lesson; 12, when one surprise undid the others' lessons.
    assert failed <= 3 * 11


def test_the_best_place_at_the_border_of_what_fails_is_found() -> None:
    assert min(value for value in outcomes(*SHAPES["half-space"]) if value is not None) < -1.27


@pytest.mark.parametrize("seed", [0, 3])
def test_failures_that_come_by_chance_cost_no_more_than_their_share(seed: int) -> None:
    failed = np.random.default_rng([seed, 5]).random(40) < 0.2

    found = outcomes(THREE, lambda p, number: None if failed[number] else bowl(p), seed=seed)
    worked = [value for value in found if value is not None]

    # As many trials as that, without failures, come below 1e-4.
    assert len(worked) == 40 - failed.sum()
    assert min(worked) < 1e-4


@pytest.mark.parametrize("objective", [lambda _p, _n: None, lambda _p, _n: 1.0])
def test_where_nothing_can_be_learnt_the_trials_are_spread(objective: Objective) -> None:
    points: list[list[float]] = []

    def noted(params: Params, number: int) -> float | None:
        points.append(list(params.values()))
        return objective(params, number)

    outcomes(THREE, noted, trials=24)

    x = np.array(points)
    apart = np.linalg.norm(x[:, None] - x[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 0.1
    at_bounds = np.isin(x, [0.0, 1.0]).sum(axis=1)
    assert (at_bounds == 3).sum() <= 8, "not only corners"


def test_one_value_that_works_beside_failures_is_enough_to_go_on() -> None:
    found = outcomes(THREE, lambda params, number: bowl(params) if number == 4 else None, 16)

    assert [number for number, value in enumerate(found) if value is not None] == [4]


def failing_study(attrs: dict[str, Any], *, retried: bool) -> optuna.Study:
    """Return a study with trials that failed at x above 1/2.

    Args:
        attrs: system attributes of those that failed.
        retried: whether Optuna has had them tried again.
    """
    study = optuna.create_study(study_name="s", sampler=BayesianSampler(seed=1))
    ranges = {"x": optuna.distributions.FloatDistribution(0, 1)}
    for number in range(8):
        x = number / 7
        study.add_trial(
            optuna.trial.create_trial(
                params={"x": x},
                distributions=ranges,
                value=None if x > 0.5 else -x,
                state=TrialState.FAIL if x > 0.5 else TrialState.COMPLETE,
                system_attrs=attrs if x > 0.5 else {},
            )
        )
    if retried:
        study.add_trial(
            optuna.trial.create_trial(
                params={"x": 0.0},
                distributions=ranges,
                value=0.0,
                system_attrs={"retry_history": [4, 5, 6, 7]},
            )
        )
    return study


@pytest.mark.parametrize(
    ("attrs", "retried", "is_lesson"),
    [({}, False, True), ({CAUSE_ATTR: "lost"}, False, False), ({}, True, False)],
)
def test_only_a_failure_without_another_explanation_is_a_lesson(
    attrs: dict[str, Any], *, retried: bool, is_lesson: bool
) -> None:
    x = failing_study(attrs, retried=retried).ask().suggest_float("x", 0, 1)

    # The values grow towards where the trials failed.
    assert (x < 0.6) == is_lesson


def test_threads_that_propose_at_once_try_distinct_places() -> None:
    # All eight wait for each other, so that they all ask at the same moment.
    together = threading.Barrier(8, timeout=60)

    def objective(trial: Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        together.wait()
        return (x - 0.3) ** 2

    study = optuna.create_study(sampler=BayesianSampler(seed=1))
    study.optimize(objective, n_trials=24, n_jobs=8)

    x = [trial.params["x"] for trial in study.trials]
    assert len(set(x)) == 24
    assert abs(study.best_params["x"] - 0.3) < 0.05


def test_a_copy_of_a_sampler_goes_on_as_the_sampler_does() -> None:
    space = {"x": optuna.distributions.FloatDistribution(0, 1)}
    sampler = BayesianSampler(space, seed=3)
    study = optuna.create_study(study_name="s", sampler=sampler)
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1) - 0.3) ** 2, n_trials=5)

    asked = study.ask()._cached_frozen_trial
    pickled = pickle.loads(pickle.dumps(sampler))  # noqa: S301 - our own bytes
    proposals = [
        each.sample_relative(study, asked, space)  # type: ignore[arg-type]
        for each in (copy.deepcopy(sampler), pickled, sampler)
    ]
    assert proposals[0] == proposals[1] == proposals[2]
