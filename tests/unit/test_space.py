"""A search space: activity, completeness, counting, forbidden combinations, JSON."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.space_strategies import choose, spaces
from tuner.errors import SpecError
from tuner.space import Condition, Parameter, SearchSpace

OPTIMIZERS = {
    "train.momentum": {
        "type": "float",
        "low": 0,
        "high": 0.99,
        "when": {"train.optimizer": ["sgd"]},
    },
    "train.optimizer": {"type": "categorical", "values": ["adam", "sgd"]},
    "train.nesterov": {"type": "bool", "when": {"train.optimizer": ["sgd"]}},
    "model.layers": {"type": "int", "low": 1, "high": 4},
    "model.activation": {"type": "fixed", "value": "relu"},
}


def space(**parameters: object) -> SearchSpace:
    return SearchSpace.from_json({"parameters": parameters})


def optimizers(*forbid: dict[str, object]) -> SearchSpace:
    return SearchSpace.from_json({"parameters": OPTIMIZERS, "forbid": list(forbid)})


def test_parents_stand_before_their_children_otherwise_the_order_is_kept():
    assert optimizers().names == (
        *(
            "train.optimizer",
            "train.momentum",
            "train.nesterov",
            "model.layers",
            "model.activation",
        ),
    )


def test_walk_asks_for_active_parameters_only_and_fills_in_the_fixed():
    asked: list[str] = []

    def choose_first(parameter: Parameter):
        asked.append(parameter.name)
        return parameter.at(0)

    params = optimizers().walk(choose_first)

    assert params == {"train.optimizer": "adam", "model.layers": 1, "model.activation": "relu"}
    assert asked == ["train.optimizer", "model.layers"]


def test_walk_refuses_a_choice_outside_the_range():
    with pytest.raises(ValueError, match=r"^model\.layers: 9: a whole number from 1 to 4$"):
        optimizers().walk(lambda p: 9 if p.name == "model.layers" else p.at(0))


def test_problems_name_what_is_unknown_missing_inactive_and_out_of_range():
    params = {"train.optimizer": "adam", "train.momentum": 0.5, "model.layers": 9, "model.width": 3}

    assert optimizers().problems(params) == [
        "model.width: unknown parameter",
        'train.momentum: 0.5: not active here: needs train.optimizer to be "sgd"',
        "model.layers: 9: a whole number from 1 to 4",
        'model.activation: missing: only "relu": the parameter is fixed',
    ]


def test_a_forbidden_combination_is_a_problem():
    limited = optimizers({"train.optimizer": "adam", "model.layers": 4})
    params = {"train.optimizer": "adam", "model.layers": 4, "model.activation": "relu"}

    assert limited.is_forbidden(params)
    assert limited.problems(params) == [
        '{train.optimizer: "adam", model.layers: 4}: this combination is forbidden'
    ]
    assert not limited.is_forbidden({**params, "model.layers": 3})


def test_a_forbidden_value_of_an_inactive_parameter_forbids_nothing():
    limited = optimizers({"train.nesterov": True})

    assert not limited.is_forbidden({"train.optimizer": "adam", "model.layers": 1})


def test_a_grandchild_is_inactive_when_its_parent_is():
    family = space(
        a={"type": "bool"},
        b={"type": "bool", "when": {"a": [True]}},
        c={"type": "int", "low": 1, "high": 3, "when": {"b": [True]}},
    )

    assert family.problems({"a": False}) == []
    assert family.cardinality() == 1 + 1 + 3
    assert len(list(family.configurations())) == 5


def test_several_conditions_must_all_hold():
    both = space(
        a={"type": "bool"},
        b={"type": "bool"},
        c={"type": "int", "low": 1, "high": 10, "when": {"a": [True], "b": [False]}},
    )

    assert both.cardinality() == 3 + 10
    assert both.problems({"a": True, "b": True}) == []


def test_cardinality_is_none_when_a_float_without_step_can_be_active():
    assert optimizers().cardinality() is None
    assert optimizers().infinite_reason() == "train.momentum (float without step)"
    with pytest.raises(ValueError, match=r"infinite space .* train\.momentum"):
        optimizers().configurations()


def test_a_float_that_can_never_be_active_does_not_make_the_space_infinite():
    never = space(
        a={"type": "bool"},
        b={"type": "bool", "when": {"a": [True]}},
        c={"type": "float", "low": 0, "high": 1, "when": {"a": [False], "b": [True]}},
    )

    assert never.cardinality() == 3
    assert never.unreachable == ("c",)


def test_wide_spaces_are_counted_at_once():
    wide = space(
        **{f"p{i}": {"type": "int", "low": 1, "high": 10**9} for i in range(50)},
        **{f"q{i}": {"type": "bool", "when": {f"p{i}": [7]}} for i in range(50)},
    )

    assert wide.cardinality() == (10**9 + 1) ** 50


def test_entangled_conditions_do_not_hang():
    parents = {f"p{i}": {"type": "bool"} for i in range(30)}
    children = {
        f"c{i}.{j}": {"type": "bool", "when": {f"p{i}": [True], f"p{j}": [True]}}
        for i in range(30)
        for j in range(i)
    }
    entangled = space(**parents, **children)

    assert entangled.cardinality() is None
    assert entangled.infinite_reason() == "conditions too entangled"
    assert entangled.unreachable == ()


def test_a_space_of_500_parameters_can_be_walked_and_listed():
    large = space(**{f"p{i}": {"type": "int", "low": 1, "high": 2} for i in range(500)})

    assert len(next(large.configurations())) == 500
    assert len(large.walk(lambda parameter: 2)) == 500


def test_configurations_leave_out_the_forbidden_and_vary_the_last_fastest():
    pairs = SearchSpace.from_json(
        {
            "parameters": {"a": {"type": "bool"}, "b": {"type": "int", "low": 1, "high": 2}},
            "forbid": [{"a": True, "b": 1}],
        }
    )

    assert list(pairs.configurations()) == [
        {"a": False, "b": 1},
        {"a": False, "b": 2},
        {"a": True, "b": 2},
    ]


def test_key_is_the_same_for_the_same_configuration():
    both = space(a={"type": "float", "low": 0, "high": 1}, b={"type": "int", "low": 0, "high": 5})

    assert both.key({"a": 1, "b": 2.0}) == both.key({"b": 2, "a": 1.0}) == '{"a":1.0,"b":2}'
    assert both.key({"a": 0.1 + 0.2}) != both.key({"a": 0.3})


def test_from_json_names_every_problem():
    with pytest.raises(SpecError) as caught:
        SearchSpace.from_json(
            {"parameters": {"a": {"type": "int", "low": 3}, "b": {"type": "boo"}}}
        )

    assert str(caught.value).splitlines() == [
        "search space: a.high: missing: a whole number up to 9007199254740992 in size",
        'search space: b.type: "boo": did you mean "bool"? one of "float", "int", "categorical", '
        '"ordinal", "bool", "fixed"',
    ]


def test_a_circle_of_conditions_cannot_be_built():
    loop = Parameter(name="a", kind="bool", when=(Condition(parent="a", values=(True,)),))

    with pytest.raises(ValueError, match="circle"):
        SearchSpace(parameters=(loop,))


def test_importing_the_space_imports_no_heavy_library():
    code = (
        "import sys, tuner.space; "
        "print([name for name in ('optuna', 'tensorboard', 'numpy') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@given(spaces(), st.integers(0, 2**32))
def test_every_walk_ends_in_a_valid_configuration(any_space: SearchSpace, seed: int):
    params = any_space.walk(choose(seed))

    assert any_space.problems(params) == []


@given(spaces(), st.integers(0, 2**32), st.data())
def test_a_configuration_without_one_of_its_values_is_not_valid(
    any_space: SearchSpace, seed: int, data: st.DataObject
):
    params = any_space.walk(choose(seed))
    lost = data.draw(st.sampled_from(sorted(params)))

    assert any_space.problems({name: value for name, value in params.items() if name != lost})


@given(spaces())
def test_json_gives_the_same_space_back(any_space: SearchSpace):
    assert SearchSpace.from_json(json.loads(json.dumps(any_space.to_json()))) == any_space


@given(spaces(), st.integers(0, 2**32))
def test_json_keeps_the_key_of_a_configuration(any_space: SearchSpace, seed: int):
    params = any_space.walk(choose(seed))

    assert any_space.key(json.loads(json.dumps(params))) == any_space.key(params)


@given(spaces())
def test_the_number_of_configurations_is_the_length_of_their_list(any_space: SearchSpace):
    size = any_space.cardinality()
    if size is None or size > 2000:
        return
    listed = list(any_space.configurations())

    assert len(listed) == size
    assert len({any_space.key(params) for params in listed}) == size
    assert all(any_space.problems(params) == [] for params in listed)
