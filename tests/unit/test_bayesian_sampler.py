"""The sampler `bayesian` in plain Optuna scripts: valid, new, reproducible, and no slow learner."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

from tests.support import spaces
from tuner.samplers.bayesian import BayesianSampler
from tuner.space import SearchSpace
from tuner.space.optuna import distribution, from_optuna

SQUARE: dict[str, Any] = {
    "x": FloatDistribution(-5.0, 5.0),
    "y": FloatDistribution(-5.0, 5.0),
}
MIXED = SearchSpace.from_json(
    {
        "parameters": spaces.MIXED,
        "forbid": [{"train.optimizer": "sgd", "model.layers": 4}],
    }
)


def suggest(trial: Trial, space: SearchSpace) -> dict[str, Any]:
    """Ask a trial for a whole configuration, along the conditions."""
    return space.walk(
        lambda parameter: from_optuna(
            parameter, trial._suggest(parameter.name, distribution(parameter))
        )
    )


def bowl(trial: Trial) -> float:
    x, y = (trial.suggest_float(name, -5.0, 5.0) for name in "xy")
    return (x - 1.7) ** 2 + 2 * (y + 2.3) ** 2 + 0.5 * math.sin(3 * x)


def run(objective: Callable[[Trial], Any], trials: int, **options: Any) -> optuna.Study:
    directions = options.pop("directions", ["minimize"])
    study = optuna.create_study(
        study_name="s", sampler=BayesianSampler(**options), directions=directions
    )
    study.optimize(objective, n_trials=trials)
    return study


def test_a_smooth_function_is_minimised_to_many_digits_in_few_trials() -> None:
    for seed in (1, 2):
        study = run(bowl, 25, space=SQUARE, seed=seed)

        assert study.best_value < -0.245


def test_maximising_is_minimising_the_opposite() -> None:
    low = run(bowl, 12, space=SQUARE, seed=3)
    high = run(lambda t: -bowl(t), 12, space=SQUARE, seed=3, directions=["maximize"])

    assert [t.params for t in low.trials] == [t.params for t in high.trials]


def test_every_trial_is_valid_allowed_and_new_in_a_space_of_all_kinds() -> None:
    study = optuna.create_study(sampler=BayesianSampler(MIXED, seed=5))
    found = []
    for number in range(30):
        trial = study.ask()
        found.append(suggest(trial, MIXED))
        study.tell(trial, float(number % 7))

    assert [MIXED.problems(params) for params in found] == [[]] * 30
    assert len({MIXED.key(params) for params in found}) == 30


def test_a_finite_space_is_tried_completely_before_anything_is_repeated() -> None:
    space = {"a": IntDistribution(0, 3), "b": CategoricalDistribution(["p", None, "q"])}
    study = optuna.create_study(sampler=BayesianSampler(seed=1))

    def objective(trial: Trial) -> float:
        b = trial.suggest_categorical("b", space["b"].choices)  # type: ignore[attr-defined]
        return trial.suggest_int("a", 0, 3) + (b is None)

    study.optimize(objective, n_trials=12)

    # The first trial of an undeclared space is random, all others know what was tried.
    assert len({(t.params["a"], t.params["b"]) for t in study.trials}) == 12
    study.optimize(objective, n_trials=2)
    assert len(study.trials) == 14


def test_a_sampler_made_anew_goes_on_as_the_first_would_have() -> None:
    straight = run(bowl, 14, space=SQUARE, seed=9)

    study = optuna.create_study(study_name="s", sampler=BayesianSampler(SQUARE, seed=9))
    for _ in range(14):
        study.sampler = BayesianSampler(SQUARE, seed=9)
        study.optimize(bowl, n_trials=1)

    assert [t.params for t in study.trials] == [t.params for t in straight.trials]


def test_the_order_in_which_results_arrive_does_not_matter() -> None:
    def proposal(order: list[int]) -> dict[str, Any]:
        study = optuna.create_study(study_name="s", sampler=BayesianSampler(SQUARE, seed=2))
        trials = [study.ask(SQUARE) for _ in range(6)]
        for index in order:
            study.tell(trials[index], float(index**2))
        return study.ask(SQUARE).params

    assert proposal([0, 1, 2, 3, 4]) == proposal([4, 2, 0, 3, 1])


def test_many_workers_at_once_do_not_try_the_same_place() -> None:
    study = optuna.create_study(sampler=BayesianSampler(SQUARE, seed=4))
    study.optimize(bowl, n_trials=10)

    asked = [study.ask(SQUARE) for _ in range(32)]

    x = np.array([[t.params["x"], t.params["y"]] for t in asked])
    apart = np.linalg.norm(x[:, None] - x[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 0.09
    assert np.median(apart.min(axis=1)) > 0.2
    assert np.ptp(x, axis=0).min() > 5


@pytest.mark.parametrize("told", [0, 6])
def test_64_workers_at_once_try_64_places_of_a_space_of_all_kinds(told: int) -> None:
    study = optuna.create_study(sampler=BayesianSampler(MIXED, seed=8))
    for number in range(told):
        trial = study.ask()
        suggest(trial, MIXED)
        study.tell(trial, float(number % 4))

    asked = [suggest(study.ask(), MIXED) for _ in range(64)]

    assert [MIXED.problems(params) for params in asked] == [[]] * 64
    assert len({MIXED.key(params) for params in asked}) == 64


@pytest.mark.parametrize("dimensions", [2, 5])
def test_many_first_trials_leave_less_unexplored_than_random_ones(dimensions: int) -> None:
    space = {f"x{i}": FloatDistribution(0.0, 1.0) for i in range(dimensions)}
    study = optuna.create_study(sampler=BayesianSampler(space, seed=1))
    everywhere = np.random.default_rng(0).random((4000, dimensions))

    def unexplored(x: np.ndarray) -> float:
        """Return how far a place is from the nearest trial, on average."""
        return float(np.linalg.norm(everywhere[:, None] - x[None], axis=2).min(axis=1).mean())

    asked = np.array([list(study.ask(space).params.values()) for _ in range(16)])

    for count in (8, 16):
        drawn = [np.random.default_rng(seed).random((count, dimensions)) for seed in range(20)]
        assert unexplored(asked[:count]) < min(unexplored(x) for x in drawn)


def test_trials_that_were_asked_for_but_suggest_later_count_as_running() -> None:
    study = optuna.create_study(sampler=BayesianSampler(SQUARE, seed=4))
    study.optimize(bowl, n_trials=6)
    first, second = study.ask(), study.ask()

    # Both are chosen before the first has suggested its second parameter.
    a = [first.suggest_float("x", -5, 5), second.suggest_float("x", -5, 5)]
    b = [first.suggest_float("y", -5, 5), second.suggest_float("y", -5, 5)]

    assert math.hypot(a[0] - a[1], b[0] - b[1]) > 0.05


def test_what_is_enqueued_in_part_is_filled_in_to_fit() -> None:
    def objective(trial: Trial) -> float:
        x = trial.suggest_float("x", -5.0, 5.0)
        return (trial.suggest_float("y", -5.0, 5.0) - x) ** 2

    misses = []
    for seed in range(4):
        study = optuna.create_study(sampler=BayesianSampler(SQUARE, seed=seed))
        study.optimize(objective, n_trials=25)
        for x in (-3.0, 3.5):
            study.enqueue_trial({"x": x})
            study.optimize(objective, n_trials=1)

            params = study.trials[-1].params
            assert params["x"] == x
            misses.append(abs(params["y"] - x))
    # Some look where nothing is known yet; filled in without regard to x, they would miss by 3.5.
    assert np.median(misses) < 1.5


def test_conditions_of_an_undeclared_space_are_learnt() -> None:
    def objective(trial: Trial) -> float:
        if trial.suggest_categorical("kind", ["none", "deep"]) == "none":
            return 1.0 + trial.suggest_float("a", 0.0, 1.0)
        return abs(trial.suggest_float("b", 0.0, 1.0) - 0.3)

    study = run(objective, 25, seed=3)

    assert study.best_value < 0.02
    relative = study.sampler.sample_relative(
        study,
        study._storage.get_trial(study.ask()._trial_id),
        study.sampler.infer_relative_search_space(study, study.trials[-1]),
    )
    assert relative.keys() in ({"kind", "a"}, {"kind", "b"})


def test_the_region_where_trials_fail_by_a_constraint_is_avoided() -> None:
    # The best place lies at the border: half of what is drawn at random fails, 37 of these trials.
    assert sum(_failed_beyond_a_border(seed) for seed in (1, 2, 3)) <= 32


def _failed_beyond_a_border(seed: int) -> int:
    """Return how many of the trials 6 to 30 fail."""
    study = optuna.create_study(sampler=BayesianSampler(SQUARE, seed=seed))
    bad = []
    for _ in range(30):
        trial = study.ask()
        x, y = (trial.suggest_float(name, -5.0, 5.0) for name in "xy")
        bad.append(x + y > 0)
        # The constraint of the coordinator's in-memory study: the configuration is to blame.
        if bad[-1]:
            study._storage.set_trial_system_attr(trial._trial_id, "constraints:tuner", math.inf)
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, -x - y + 0.1 * x * x)

    found = [t.value for t in study.trials if t.value is not None and not t.constraints]
    assert min(found) < 1.0
    return sum(bad[5:])


def test_a_soft_constraint_is_met_at_the_best_place() -> None:
    study = optuna.create_study(sampler=BayesianSampler(SQUARE, seed=8))
    for _ in range(30):
        trial = study.ask(SQUARE)
        x, y = trial.params["x"], trial.params["y"]
        study._storage.set_trial_system_attr(trial._trial_id, "constraints:size", 40 * (x + y - 1))
        study.tell(trial, (x - 2) ** 2 + (y - 2) ** 2)

    # The best allowed point is (0.5, 0.5).
    feasible = [t.value for t in study.trials if t.constraints["size"] <= 0]
    assert min(feasible) < 4.7


@pytest.mark.parametrize("directions", [["minimize"] * 2, ["minimize", "maximize", "minimize"]])
def test_with_several_metrics_the_front_is_filled(directions: list[str]) -> None:
    def objective(trial: Trial) -> tuple[float, ...]:
        x, y = (trial.suggest_float(name, -5.0, 5.0) for name in "xy")
        values = [(x - 2) ** 2 + y**2, (x + 2) ** 2 + y**2, x**2 + (y - 2) ** 2]
        return tuple(-v if d == "maximize" else v for v, d in zip(values, directions, strict=False))

    widths = []
    for seed in range(3):
        study = run(objective, 24, space=SQUARE, seed=seed, directions=directions)

        # The front of the first two is the line from (-2, 0) to (2, 0); the third pulls it up.
        near = [t for t in study.trials if abs(t.params["x"]) < 2.2 and -0.4 < t.params["y"] < 2.2]
        assert len(near) >= 12
        widths.append(np.ptp([t.params["x"] for t in near]))
    assert np.median(widths) > 1.8


def test_pruned_trials_teach_by_their_rank_at_their_last_step() -> None:
    study = optuna.create_study(sampler=BayesianSampler({"x": SQUARE["x"]}, seed=2))
    for x in np.linspace(-5, 5, 8):
        # On another scale than the final value, as early losses are.
        curve = {step: 100 + (x - 3) ** 2 / step for step in (1, 2)}
        is_kept = abs(x - 3) < 4
        trial = optuna.trial.create_trial(
            params={"x": float(x)},
            distributions={"x": SQUARE["x"]},
            value=(x - 3) ** 2 if is_kept else None,
            state=TrialState.COMPLETE if is_kept else TrialState.PRUNED,
            intermediate_values=curve if is_kept else {1: curve[1]},
        )
        study.add_trial(trial)
    found = [study.ask({"x": SQUARE["x"]}).params["x"] for _ in range(3)]

    assert all(abs(x - 3) < 2 for x in found)
    assert study.sampler.insight["told"] == 8  # type: ignore[attr-defined]


def test_pruned_trials_teach_before_any_trial_is_complete() -> None:
    study = optuna.create_study(sampler=BayesianSampler({"x": SQUARE["x"]}, seed=2))
    for x in np.linspace(-5, 5, 6):
        study.add_trial(
            optuna.trial.create_trial(
                params={"x": float(x)},
                distributions={"x": SQUARE["x"]},
                state=TrialState.PRUNED,
                intermediate_values={1: (x - 3) ** 2},
            )
        )

    assert abs(study.ask({"x": SQUARE["x"]}).params["x"] - 3) < 1


def test_noise_and_repeats_do_not_mislead() -> None:
    random = np.random.default_rng(0)
    study = optuna.create_study(sampler=BayesianSampler({"x": SQUARE["x"]}, seed=2))
    for _ in range(4):
        for x in np.linspace(-5, 5, 6):
            study.add_trial(
                optuna.trial.create_trial(
                    params={"x": float(x)},
                    distributions={"x": SQUARE["x"]},
                    value=0.1 * (x + 1) ** 2 + random.normal(0, 0.3),
                )
            )

    assert abs(study.ask({"x": SQUARE["x"]}).params["x"] + 1) < 2


def test_the_insight_says_what_a_proposal_was_made_of() -> None:
    study = run(bowl, 6, space=SQUARE, seed=1)
    study.ask(SQUARE)
    pending = study.ask(SQUARE).number
    insight = study.sampler.insight  # type: ignore[attr-defined]

    assert insight["model"] == "cold"
    assert (insight["told"], insight["pending"]) == (6, [pending - 1])
    assert insight["std"] > 0
    assert insight["trust"] is None
    assert insight["acquisition"] == pytest.approx(float(insight["acquisition"]))


def test_the_insight_foretells_values_of_the_study_whichever_way_they_are_good() -> None:
    objectives: dict[str, Callable[[Trial], float]] = {
        "minimize": bowl,
        "maximize": lambda trial: -bowl(trial),
    }
    foretold: dict[str, dict[str, Any]] = {}
    params: dict[str, Any] = {}
    for direction, objective in objectives.items():
        sampler = BayesianSampler(SQUARE, seed=1)
        study = optuna.create_study(study_name="s", sampler=sampler, direction=direction)
        study.optimize(objective, n_trials=16)
        params = study.ask(SQUARE).params
        foretold[direction] = sampler.insight
    value = bowl(optuna.trial.FixedTrial(params))  # type: ignore[arg-type]
    low, mean, high = (
        foretold["minimize"][f"objective_{name}"] for name in ("low", "mean", "high")
    )

    assert low <= mean <= high
    assert mean == pytest.approx(value, abs=max(4 * (high - low), 0.05))
    assert foretold["maximize"]["objective_mean"] == pytest.approx(-mean)
    assert foretold["maximize"]["objective_low"] == pytest.approx(-high)


def test_many_trials_are_thinned_and_still_lead_to_the_best_place() -> None:
    random = np.random.default_rng(1)
    study = optuna.create_study(sampler=BayesianSampler(SQUARE, seed=1))
    trials: list[FrozenTrial] = []
    for x, y in random.uniform(-5, 5, (700, 2)):
        value = float((x - 1.7) ** 2 + 2 * (y + 2.3) ** 2)
        params = {"x": float(x), "y": float(y)}
        trials.append(optuna.trial.create_trial(params=params, distributions=SQUARE, value=value))
    study.add_trials(trials)

    params = study.ask(SQUARE).params

    assert math.hypot(params["x"] - 1.7, params["y"] + 2.3) < 0.3


@pytest.mark.parametrize(
    "space",
    [
        {"x": {"type": "float", "low": 0.0, "high": 1.0}},
        {"parameters": {"x": {"type": "float", "low": 0.0, "high": 1.0}}, "forbid": []},
        {"x": FloatDistribution(0.0, 1.0)},
    ],
)
def test_a_space_is_declared_in_any_of_three_forms(space: dict[str, Any]) -> None:
    study = optuna.create_study(sampler=BayesianSampler(space, seed=1))

    assert study.ask().suggest_float("x", 0.0, 1.0) == 0.5
