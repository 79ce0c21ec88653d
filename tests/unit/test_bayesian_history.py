"""Earlier Optuna studies and lists of trials as history of the sampler `bayesian`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from tuner.samplers.bayesian.history import priors_of, sources_of
from tuner.samplers.bayesian.sampler import BayesianSampler
from tuner.samplers.bayesian.space.adapter import declared
from tuner.space import SearchSpace
from tuner.surrogate.history.source import Source
from tuner.trials.causes import CAUSE_ATTR

SPACE = SearchSpace.from_json(
    {
        "parameters": {
            "rate": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
            "kind": {"type": "categorical", "values": ["a", "b"]},
        }
    }
)
RANGES: dict[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "kind": CategoricalDistribution(["a", "b"]),
}
DIALECT = declared(SPACE)
MIN, MAX = StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE


def loss(params: dict[str, object], best: float = 1e-2) -> float:
    """Best at rate = `best`, kind = b."""
    rate = float(params["rate"])  # type: ignore[arg-type]
    return (math.log10(rate) - math.log10(best)) ** 2 + (0.0 if params["kind"] == "b" else 2.0)


def trial(rate: float, kind: str = "b", **given: object) -> FrozenTrial:
    params = {"rate": rate, "kind": kind}
    if "state" not in given:
        given.setdefault("value", loss(params))
    return create_trial(params=params, distributions=RANGES, **given)  # type: ignore[arg-type]


def trials(count: int, seed: int = 0, sign: float = 1.0) -> list[FrozenTrial]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        rate, kind = float(10 ** rng.uniform(-4, 0)), str(rng.choice(["a", "b"]))
        found.append(trial(rate, kind, value=sign * loss({"rate": rate, "kind": kind})))
    return found


def study_of(found: Sequence[FrozenTrial], direction: str = "minimize") -> optuna.Study:
    study = optuna.create_study(direction=direction)
    study.add_trials(found)
    return study


def sources(*history: object, directions: Sequence[StudyDirection] = (MIN,)) -> list[Source]:
    return sources_of(history, DIALECT, directions, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make",
    [
        lambda: trials(30),
        lambda: study_of(trials(30)),
        lambda: study_of(trials(30, sign=-1.0), "maximize"),
    ],
    ids=["list", "study", "study that maximises"],
)
def test_the_first_trial_is_near_what_was_best_before(make: Callable[[], object]) -> None:
    sampler = BayesianSampler(SPACE, history=[make()], seed=1)
    study = optuna.create_study(sampler=sampler)

    params = study.ask(RANGES).params

    assert params["kind"] == "b"
    assert 1e-3 < params["rate"] < 1e-1
    assert sampler.insight["model"] == "prior"


def test_the_first_trial_is_the_best_configuration_of_an_earlier_study() -> None:
    earlier = [trials(30, seed) for seed in range(3)]
    study = optuna.create_study(sampler=BayesianSampler(SPACE, history=earlier, seed=1))

    params = study.ask(RANGES).params

    winners = [min(found, key=lambda t: t.values[0]).params for found in earlier]
    assert params["kind"] == "b"
    assert params["rate"] in [pytest.approx(winner["rate"], rel=1e-9) for winner in winners]


def _models_of(history: Sequence[FrozenTrial], count: int) -> list[dict[str, object]]:
    """Return what each proposal of a study with history says of itself."""
    sampler = BayesianSampler(SPACE, history=[history], seed=1)
    study = optuna.create_study(sampler=sampler)
    insights = []
    for _ in range(count):
        running = study.ask(RANGES)
        insights.append(dict(sampler.insight))
        study.tell(running, loss(running.params))
    return insights


def test_history_is_asked_at_first_and_later_every_second_time() -> None:
    insights = _models_of(trials(40), 26)

    models = [insight["model"] for insight in insights]
    assert models[:3] == ["prior", "warm+cold", "start"]
    assert models[20:] == ["warm+cold", "cold"] * 3
    for insight in insights[3:]:
        assert (insight["trust"] is not None) == (insight["model"] == "warm+cold")


def test_a_study_that_history_misleads_looks_over_its_space_as_one_without_history() -> None:
    wrong = [trial(t.params["rate"], t.params["kind"], value=-t.values[0]) for t in trials(40)]

    models = [insight["model"] for insight in _models_of(wrong, 8)]

    assert models[0] == "prior"
    assert models[2:].count("start") >= 4


def test_a_list_of_trials_has_the_directions_of_the_study() -> None:
    (source,) = sources(trials(10), directions=[MAX])

    best = source.x[int(np.argmin(source.y))]
    worst = max(trials(10), key=lambda t: t.values[0])
    assert best.tolist() == DIALECT.point(worst.params).tolist()


def test_only_what_the_configuration_is_to_blame_for_counts_as_bad() -> None:
    (source,) = sources(
        [
            *(trial(rate) for rate in (0.1, 0.15, 0.17)),
            trial(0.2, value=math.inf),
            trial(0.3, state=TrialState.FAIL),
            trial(0.4, state=TrialState.RUNNING),
            trial(0.5, state=TrialState.PRUNED),
            trial(0.6, state=TrialState.FAIL, system_attrs={CAUSE_ATTR: "oom"}),
            trial(0.7, state=TrialState.FAIL, system_attrs={CAUSE_ATTR: "lost"}),
        ]
    )

    assert np.isnan(source.y).tolist() == [False, False, False, True, True]


def test_stopped_trials_come_with_where_the_others_stood() -> None:
    (source,) = sources(
        [
            trial(0.01, value=1.0, intermediate_values={1: 3.0, 2: 2.0}),
            trial(0.02, value=0.5, intermediate_values={1: 4.0, 2: 1.0}),
            trial(0.5, state=TrialState.PRUNED, intermediate_values={1: 5.0}),
        ]
    )

    rows = sorted(zip(source.rung.tolist(), source.y.tolist(), strict=True))
    assert rows == [(-1, 0.5), (-1, 1.0), (1, 3.0), (1, 4.0), (1, 5.0)]


def test_parameters_that_a_study_did_not_have_are_unknown() -> None:
    old = [
        create_trial(
            params={"rate": r, "other": 1.0},
            distributions={"rate": RANGES["rate"], "other": FloatDistribution(0, 2)},
            value=r,
        )
        for r in (0.1, 0.2, 0.3)
    ]

    (source,) = sources(old)

    assert np.isnan(source.x[:, 1]).all()
    assert not np.isnan(source.x[:, 0]).any()


def test_what_has_nothing_in_common_is_no_source() -> None:
    other = {"depth": FloatDistribution(0, 1)}
    strange = [create_trial(params={"depth": 0.5}, distributions=other, value=1.0)]

    assert sources(strange, []) == []


def test_each_objective_has_its_own_prior() -> None:
    rng = np.random.default_rng(0)
    two = [
        create_trial(
            params={"rate": r, "kind": "b"},
            distributions=RANGES,
            values=[math.log10(r), -math.log10(r)],
        )
        for r in 10 ** rng.uniform(-4, 0, 20)
    ]

    first, second = priors_of([two], DIALECT, (MIN, MIN), {})

    assert first is not None
    assert second is not None
    assert first.portfolio[0][0] < 0.3
    assert second.portfolio[0][0] > 0.7


def test_priors_are_made_once() -> None:
    memory: dict[str, object] = {}
    history = [trials(20)]

    (first,) = priors_of(history, DIALECT, (MIN,), memory)
    (again,) = priors_of(history, DIALECT, (MIN,), memory)
    (anew,) = priors_of(history, DIALECT, (MIN,), {})

    assert again is first
    assert first is not None
    assert anew is not None
    assert anew.key == first.key


def test_what_is_no_history_is_refused_by_its_type() -> None:
    with pytest.raises(TypeError, match="history holds a int"):
        sources([1, 2])


def test_a_source_must_have_the_columns_of_the_study() -> None:
    source = Source(name="wide", x=np.zeros((5, 3)), y=np.arange(5.0))

    with pytest.raises(ValueError, match="'wide' has 3 columns; the study has 2: rate, kind"):
        sources(source)


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.PRUNED])
def test_a_trial_that_violates_a_constraint_speaks_against_its_parameters(
    state: TrialState,
) -> None:
    given = {"state": state, "intermediate_values": {3: 0.0}, "value": 0.0}
    found = [trial(0.1, constraints={"memory": limit}, **given) for limit in (-2.0, -1.0, 0.0, 0.5)]
    (source,) = sources_of([found], DIALECT, [MIN], 0)

    assert int(np.isnan(source.y).sum()) == 1
    assert int((source.y == 0.0).sum()) == 3
