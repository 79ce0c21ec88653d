"""Optuna's own sampler suite, for every sampler that a spec may name, as Tuner builds it."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)

from tuner.registry import SAMPLERS
from tuner.samplers import SamplerContext, make_sampler

Make = Callable[[], BaseSampler]

HAS_TORCH = importlib.util.find_spec("torch") is not None
#: Without torch, gp is left out of the suites and skipped once, at the end of this file.
KNOWN = {name for name in SAMPLERS.built_in if HAS_TORCH or name != "gp"}
#: A grid refuses continuous ranges, which most of the suite asks for.
FINITE = {"grid"}
#: Those that choose all parameters together from the second trial on. NSGA-II needs a generation.
JOINT = {"bayesian": {}, "tpe": {"startup_trials": 1}, "gp": {"startup_trials": 1}, "qmc": {}}


def maker(name: str, *, has_conditions: bool, options: dict[str, int] | None = None) -> Make:
    """Return a function that makes the sampler with another seed each time, as proposals do."""
    seeds = itertools.count(1)
    return lambda: make_sampler(
        name,
        SamplerContext(
            study_seed=7, seed=next(seeds), has_conditions=has_conditions, options=options or {}
        ),
    )


@pytest.fixture(params=sorted(KNOWN - FINITE))
def any_sampler(request: pytest.FixtureRequest) -> Make:
    return maker(request.param, has_conditions=True)


@pytest.fixture(params=sorted(KNOWN & set(JOINT)))
def joint_sampler(request: pytest.FixtureRequest) -> Make:
    return maker(request.param, has_conditions=False, options=JOINT[request.param])


class TestSamplersOfAnySpace(BasicSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self, any_sampler: Make) -> Make:
        return any_sampler


class TestSamplersThatChooseTogether(RelativeSamplerTestCase):
    @pytest.fixture
    def sampler(self, joint_sampler: Make) -> Make:
        return joint_sampler


class TestGrid:
    @pytest.fixture
    def sampler(self) -> Make:
        return maker("grid", has_conditions=True)

    test_int = BasicSamplerTestCase.test_int
    test_categorical = BasicSamplerTestCase.test_categorical

    def test_a_continuous_range_is_refused(self, sampler: Make) -> None:
        study = optuna.create_study(sampler=sampler())
        with pytest.raises(ValueError, match="step must be given"):
            study.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0), n_trials=1)

    def test_with_several_metrics_a_grid_is_tried_completely_too(self, sampler: Make) -> None:
        study = optuna.create_study(directions=["minimize", "maximize"], sampler=sampler())
        study.optimize(lambda trial: (trial.suggest_int("x", 0, 2), 1.0), n_trials=10)

        assert sorted(trial.params["x"] for trial in study.trials) == [0, 1, 2]


@pytest.mark.skipif(not HAS_TORCH, reason="sampler gp needs torch, which no lock holds (500 MB)")
def test_gp_is_held_to_both_suites() -> None:
    assert "gp" in KNOWN - FINITE
    assert "gp" in JOINT
