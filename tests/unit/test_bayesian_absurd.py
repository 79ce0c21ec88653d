"""Objectives that say nothing, or something absurd: no error, no corner, and the search goes on."""

from __future__ import annotations

import math

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import Trial

from tuner.samplers.bayesian import BayesianSampler

SPACE = {name: FloatDistribution(0.0, 1.0) for name in ("x", "y")}
#: The trial whose value is absurd.
ODD = 6


def bowl(trial: Trial) -> float:
    x, y = (trial.suggest_float(name, 0.0, 1.0) for name in SPACE)
    return (x - 0.7) ** 2 + 2 * (y - 0.4) ** 2


def study_of(absurd: float, trials: int) -> optuna.Study:
    found = optuna.create_study(sampler=BayesianSampler(SPACE, seed=4))
    found.optimize(lambda t: (bowl(t), absurd)[t.number == ODD], trials)
    return found


def in_corners(study: optuna.Study) -> int:
    return sum(
        all(min(value, 1.0 - value) < 0.01 for value in trial.params.values())
        for trial in study.trials
    )


@pytest.mark.filterwarnings("error")
def test_one_absurdly_bad_value_does_not_end_the_search() -> None:
    study = study_of(1e300, 24)

    assert study.best_value < 0.01
    assert in_corners(study) <= 4


@pytest.mark.filterwarnings("error")
def test_one_absurdly_good_value_does_not_send_the_search_to_the_corners() -> None:
    assert in_corners(study_of(-1e300, 24)) <= 4


@pytest.mark.filterwarnings("error")
def test_a_constant_objective_is_searched_everywhere() -> None:
    study = optuna.create_study(sampler=BayesianSampler(SPACE, seed=4))
    study.optimize(lambda t: 0.0 * bowl(t), 20)

    assert in_corners(study) == 0
    places = [tuple(t.params.values()) for t in study.trials]
    apart = min(math.dist(a, b) for i, a in enumerate(places) for b in places[:i])
    assert apart > 0.03


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_a_stalled_search_looks_elsewhere_with_every_third_trial(shift: float) -> None:
    sampler = BayesianSampler(SPACE, seed=4)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda t: shift + min(bowl(t), 0.3) * (t.number < 12) + (t.number >= 12), 21)

    chosen = []
    for _ in range(4):
        trial = study.ask()
        bowl(trial)
        chosen.append(sampler.insight["model"])
        study.tell(trial, 1.0 + shift)

    assert chosen == ["start", "cold", "cold", "start"]
