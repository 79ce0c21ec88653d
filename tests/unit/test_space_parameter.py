"""One parameter: its values, its bounds, the one form of each value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.space_strategies import definitions
from tuner.space import Parameter, SearchSpace


def make(**definition: object) -> Parameter:
    return SearchSpace.from_json({"parameters": {"p": definition}})["p"]


def test_a_step_reaches_its_last_value_in_spite_of_binary_fractions():
    parameter = make(type="float", low=0, high=0.3, step=0.1)

    assert [parameter.at(i) for i in range(4)] == [0.0, 0.1, 0.2, 0.3]
    assert parameter.size == 4


def test_high_is_moved_down_to_the_last_step():
    assert make(type="int", low=1, high=10, step=4).high == 9
    assert make(type="float", low=0, high=1, step=0.3).high == 0.9


def test_a_value_close_to_a_step_is_that_step():
    parameter = make(type="float", low=0, high=1, step=0.1)

    assert parameter.canonical(0.1 + 0.2) == 0.3
    assert parameter.find(0.35) is None


def test_numbers_take_the_type_of_their_parameter():
    assert type(make(type="float", low=0, high=1).canonical(1)) is float
    assert type(make(type="int", low=0, high=5).canonical(3.0)) is int
    assert make(type="int", low=0, high=1e3).bounds == (0, 1000)
    assert type(make(type="ordinal", values=[1, 2]).canonical(2.0)) is int


@pytest.mark.parametrize("value", [True, "1", None, 1.5, float("nan"), float("inf"), 6, [1]])
def test_an_int_takes_whole_numbers_in_its_range_only(value: object):
    assert make(type="int", low=0, high=5).find(value) is None


def test_true_is_not_the_number_one():
    assert make(type="categorical", values=[0, 1]).find(True) is None
    assert make(type="bool").find(1) is None
    assert make(type="bool").find(True) is True


def test_a_refused_value_is_named_with_what_is_allowed():
    with pytest.raises(ValueError, match=r'^p: "rmsprop": one of "adam", "sgd"$'):
        make(type="categorical", values=["adam", "sgd"]).canonical("rmsprop")


def test_allowed_says_the_range_in_words():
    assert (
        make(type="int", low=1, high=9, step=2).allowed
        == "a whole number from 1 to 9 in steps of 2"
    )
    assert make(type="fixed", value="relu").allowed == 'only "relu": the parameter is fixed'


def test_there_is_no_value_behind_the_last():
    with pytest.raises(IndexError):
        make(type="bool").at(2)
    with pytest.raises(IndexError):
        make(type="float", low=0, high=1).at(0)


@given(definitions(), st.data())
def test_every_countable_value_is_its_own_canonical_form(
    definition: dict[str, object], data: st.DataObject
):
    parameter = make(**definition)
    if parameter.size is None:
        return
    value = parameter.at(data.draw(st.integers(0, parameter.size - 1)))

    assert parameter.canonical(value) == value
    assert type(parameter.canonical(value)) is type(value)
