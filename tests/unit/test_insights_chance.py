"""The chance of a better value that is told, beside what then happens in simulated studies."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import optuna
import pytest

from tuner.service.explanations.gain import Results
from tuner.service.insights.improvement import look_ahead, told_chance
from tuner.space import SearchSpace

STUDIES, BEFORE, AHEAD = 160, 25, 10
#: What is better by less, in deviations of the results, is a trifle.
TRIFLE = 0.02
AXES = ("a.x", "a.y", "a.z")
SPACE = SearchSpace.from_json(
    {"parameters": {name: {"type": "float", "low": 0.0, "high": 1.0} for name in AXES}}
)


def losses(seed: int) -> tuple[list[dict[str, Any]], list[float]]:
    """Return what a study of Optuna's TPE on a task of its own found, trial by trial."""
    rng = np.random.default_rng(seed)
    best, weights, noise = rng.random(3), rng.lognormal(size=3), rng.choice([0.0, 0.02])

    def objective(trial: optuna.Trial) -> float:
        x = np.array([trial.suggest_float(name, 0.0, 1.0) for name in AXES])
        waves = 0.1 * math.sin(9.0 * x[0] + seed)
        return float(weights @ (x - best) ** 2 + waves + noise * rng.standard_normal())

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(objective, n_trials=BEFORE + AHEAD)
    trials = study.get_trials(deepcopy=False)
    return [dict(trial.params) for trial in trials], [float(trial.value or 0.0) for trial in trials]


@pytest.mark.slow
def test_the_chance_that_is_told_is_about_the_share_of_studies_that_find_a_better_value() -> None:
    told, happened = [], []
    for seed in range(STUDIES):
        params, values = losses(seed)
        known = Results(space=SPACE, maximize=False, params=params[:BEFORE], values=values[:BEFORE])
        seen = look_ahead(known, AHEAD)
        assert seen is not None
        told.append(told_chance(seen.seen, "tpe"))
        limit = min(values[:BEFORE]) - TRIFLE * np.std(values[:BEFORE])
        happened.append(min(values[BEFORE:]) < limit)

    assert abs(np.mean(told) - np.mean(happened)) < 0.1
    # As well where it is told low as where it is told high.
    for quarter in np.array_split(np.argsort(told), 4):
        assert abs(np.array(told)[quarter].mean() - np.array(happened)[quarter].mean()) < 0.2
