"""Parameters as Optuna distributions, and back."""

from __future__ import annotations

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from tests.unit.space_strategies import choose, spaces
from tuner.space import Parameter, SearchSpace
from tuner.space.optuna import distribution, from_distribution, from_optuna, to_optuna


def make(**definition: object) -> Parameter:
    return SearchSpace.from_json({"parameters": {"p": definition}})["p"]


def test_each_kind_has_its_distribution():
    assert distribution(make(type="float", low=1e-5, high=0.1, log=True)) == FloatDistribution(
        1e-5, 0.1, log=True
    )
    assert distribution(make(type="int", low=1, high=9, step=2)) == IntDistribution(1, 9, step=2)
    assert distribution(make(type="bool")) == CategoricalDistribution((False, True))
    assert distribution(make(type="ordinal", values=[16, 32, 64])) == IntDistribution(0, 2)


def test_a_fixed_parameter_has_no_distribution():
    with pytest.raises(ValueError, match="p: a fixed parameter has no distribution"):
        distribution(make(type="fixed", value=1))


def test_an_ordinal_travels_as_its_index():
    sizes = make(type="ordinal", values=[16, 32, 64])

    assert to_optuna(sizes, 32) == 1
    assert from_optuna(sizes, 1) == 32
    with pytest.raises(ValueError, match="3 is not an index"):
        from_optuna(sizes, 3)


# Optuna warns where it would change a range by itself.
@pytest.mark.filterwarnings("error")
@given(spaces(), st.integers(0, 2**32))
def test_every_value_survives_the_way_to_optuna_and_back(any_space: SearchSpace, seed: int):
    for name, value in any_space.walk(choose(seed)).items():
        parameter = any_space[name]
        if parameter.kind == "fixed":
            continue
        dist = distribution(parameter)
        external = to_optuna(parameter, value)
        internal = dist.to_internal_repr(external)

        assert dist._contains(internal)
        assert from_optuna(parameter, dist.to_external_repr(internal)) == value


@given(spaces())
def test_a_distribution_gives_its_parameter_back(any_space: SearchSpace):
    for parameter in any_space.parameters:
        # An ordinal is an index there, and one value is a constant: both lose their kind.
        if parameter.kind in ("fixed", "ordinal") or parameter.size == 1 or parameter.when:
            continue
        back = from_distribution(parameter.name, distribution(parameter))
        expected = SearchSpace((parameter,)).to_json()
        if parameter.kind == "int" and parameter.step == 1:
            del expected["parameters"][parameter.name]["step"]
        if parameter.log == "reverse":
            # Optuna knows it as a linear range.
            del expected["parameters"][parameter.name]["log"]
        if parameter.kind == "categorical" and set(map(type, parameter.values)) == {bool}:
            expected = SearchSpace((Parameter(name=parameter.name, kind="bool"),)).to_json()

        assert SearchSpace((back,)).to_json() == expected


def test_what_has_no_counterpart_is_refused_by_name():
    with pytest.raises(ValueError, match="p: the choice None is neither"):
        from_distribution("p", CategoricalDistribution([None, 1]))
    assert from_distribution("p", CategoricalDistribution(["a"])).kind == "fixed"
    assert from_distribution("p", IntDistribution(3, 3)).value == 3


@given(seed=st.integers(0, 1000))
def test_what_a_real_sampler_suggests_is_valid(seed: int):
    space = SearchSpace.from_json(
        {
            "parameters": {
                "x": {"type": "float", "low": 0, "high": 1, "step": 0.1},
                "n": {"type": "int", "low": 1, "high": 1000, "log": True},
                "size": {"type": "ordinal", "values": [16, 32, 64]},
                "flag": {"type": "bool"},
                "word": {"type": "categorical", "values": ["no", 1, 2.5], "when": {"flag": [True]}},
            }
        }
    )
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    trial = study.ask()

    def suggest(parameter: Parameter):
        return from_optuna(parameter, trial._suggest(parameter.name, distribution(parameter)))

    assert space.problems(space.walk(suggest)) == []
