"""What a metric can be is told by its name, and by nothing that the values disprove."""

import math

import numpy as np
import optuna
import pytest

from tuner.samplers.bayesian.sampler import BayesianSampler
from tuner.surrogate.bounds import Bounds, known_bounds


@pytest.mark.parametrize(
    ("name", "seen", "bounds"),
    [
        ("val_accuracy", [0.2, 0.9], (0.0, 1.0)),
        ("valAccuracy", [0.2, 0.9], (0.0, 1.0)),
        ("test/f1", [0.5], (0.0, 1.0)),
        ("accuracy", [61.0, 97.5], (0.0, 100.0)),
        ("accuracy", [-3.0, 0.5], (-math.inf, math.inf)),
        ("accuracy", [250.0], (-math.inf, math.inf)),
        ("val_loss", [0.3, 12.0], (0.0, math.inf)),
        ("val_loss", [-4.0, 12.0], (-math.inf, math.inf)),
        ("accuracy_error", [1.5], (0.0, math.inf)),
        ("r2", [-8.0, 0.4], (-math.inf, 1.0)),
        ("reward", [0.3, 0.4], (-math.inf, math.inf)),
        ("accumulated", [0.3], (-math.inf, math.inf)),
        ("", [0.3], (-math.inf, math.inf)),
        ("accuracy", [], (0.0, 1.0)),
        ("accuracy", [math.nan, 0.5], (0.0, 1.0)),
    ],
)
def test_bounds_follow_from_the_name_where_no_value_disproves_them(
    name: str, seen: list[float], bounds: tuple[float, float]
) -> None:
    assert known_bounds(name, np.array(seen, dtype=float)) == Bounds(*bounds)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("is_named_by", ["sampler", "study"])
def test_nothing_is_foretold_that_the_metric_cannot_be(is_named_by: str) -> None:
    space = {"x": optuna.distributions.FloatDistribution(0, 1)}
    sampler = BayesianSampler(space, seed=3, metric="accuracy" if is_named_by == "sampler" else "")
    study = optuna.create_study(direction="maximize", sampler=sampler)
    if is_named_by == "study":
        study.set_metric_names(["accuracy"])
    intervals = []
    for _ in range(12):
        trial = study.ask(space)
        insight = sampler.insight
        if insight["objective_low"] is not None:
            intervals.append([insight[f"objective_{end}"] for end in ("low", "mean", "high")])
        study.tell(trial, 1 - 0.01 * (trial.params["x"] - 0.4) ** 2 * (1 + trial.number % 3))

    assert len(intervals) >= 8
    assert all(0 <= low <= mean <= high <= 1 for low, mean, high in intervals)
    assert any(high == 1 for _, _, high in intervals)
