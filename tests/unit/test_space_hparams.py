"""Parameters as columns of TensorBoard's HParams tab, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from tensorboard.plugins.hparams import api_pb2

from tests.unit.space_strategies import spaces
from tuner.space import Parameter, SearchSpace
from tuner.space.hparams import from_hparam_info, hparam_info


def make(**definition: object) -> Parameter:
    return SearchSpace.from_json({"parameters": {"p": definition}})["p"]


@given(spaces())
def test_a_column_gives_its_parameter_back_with_conditions(any_space: SearchSpace):
    for parameter in any_space.parameters:
        sent = hparam_info(parameter).SerializeToString()

        assert from_hparam_info(api_pb2.HParamInfo.FromString(sent)) == parameter


def test_numbers_are_intervals_and_choices_are_lists():
    rate = hparam_info(make(type="float", low=1e-5, high=0.1, log=True))
    size = hparam_info(make(type="ordinal", values=[16, 32]))

    assert (rate.domain_interval.min_value, rate.domain_interval.max_value) == (1e-5, 0.1)
    assert rate.type == api_pb2.DATA_TYPE_FLOAT64
    assert [value.number_value for value in size.domain_discrete.values] == [16, 32]
    assert hparam_info(make(type="bool")).type == api_pb2.DATA_TYPE_BOOL


def test_choices_of_mixed_type_are_texts():
    mixed = hparam_info(make(type="categorical", values=["auto", 3]))

    assert mixed.type == api_pb2.DATA_TYPE_STRING
    assert [value.string_value for value in mixed.domain_discrete.values] == ["auto", "3"]


def test_only_what_varies_differs():
    assert hparam_info(make(type="bool")).differs
    assert not hparam_info(make(type="fixed", value="relu")).differs


def test_a_column_that_others_declared_is_read_by_its_domain():
    info = api_pb2.HParamInfo(
        name="lr", description="learning rate", type=api_pb2.DATA_TYPE_FLOAT64
    )
    info.domain_interval.min_value, info.domain_interval.max_value = 1e-5, 0.1

    assert from_hparam_info(info) == Parameter(name="lr", kind="float", low=1e-5, high=0.1)


def test_a_column_without_domain_is_refused_by_name():
    with pytest.raises(ValueError, match=r"^lr\.values: \[\]: a list of 1"):
        from_hparam_info(api_pb2.HParamInfo(name="lr"))
