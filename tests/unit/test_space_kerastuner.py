"""Spaces as KerasTuner's configuration, and back; checked with the real KerasTuner."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given

from tests.unit.space_strategies import spaces
from tuner.keras.spaces import SpaceMap
from tuner.space import Parameter, SearchSpace
from tuner.space.kerastuner import from_kerastuner, own_values, read_definitions, to_kerastuner

SPACE = {
    "train.learning_rate": {"type": "float", "low": 1e-5, "high": 0.1, "log": True},
    "train.optimizer": {"type": "categorical", "values": ["adam", "sgd"]},
    "train.momentum": {
        "type": "float",
        "low": 0,
        "high": 0.9,
        "step": 0.3,
        "when": {"train.optimizer": ["sgd"]},
    },
    "train.batch_size": {"type": "ordinal", "values": [16, 32, 64]},
    "model.layers": {"type": "int", "low": 1, "high": 9, "step": 2},
    "model.units": {"type": "int", "low": 1, "high": 1000, "log": True},
    "model.batch_norm": {"type": "bool", "when": {"model.layers": [3, 5]}},
    "model.activation": {"type": "fixed", "value": "relu"},
}

#: Reads a configuration with KerasTuner, says what it makes of it and what it would sample, in a
#: process of its own: TensorFlow must not get into the process of the tests.
KERASTUNER = """
import json, sys
import keras_tuner as kt
hp = kt.HyperParameters.from_config(json.load(sys.stdin))
samples = []
for seed in range(20):
    values = kt.HyperParameters()
    for item in hp.space:
        if values._conditions_are_active(item.conditions):
            values.values[item.name] = item.random_sample(seed)
            values._register(item)
    samples.append(values.values)
print(json.dumps({"config": hp.get_config(), "samples": samples}))
"""


@pytest.fixture(scope="module")
def through_kerastuner() -> dict[str, Any]:
    config = to_kerastuner(SearchSpace.from_json({"parameters": SPACE}))
    done = subprocess.run(
        [sys.executable, "-c", KERASTUNER],
        input=json.dumps(config),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"KerasTuner is needed for this test: {done.stderr[-2000:]}"
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_the_real_kerastuner_gives_the_same_space_back(through_kerastuner: dict[str, Any]):
    space, notes = from_kerastuner(through_kerastuner["config"])

    assert space == SearchSpace.from_json({"parameters": SPACE})
    assert notes == []


@pytest.mark.slow
def test_what_the_real_kerastuner_samples_is_valid(through_kerastuner: dict[str, Any]):
    space = SearchSpace.from_json({"parameters": SPACE})

    assert len(through_kerastuner["samples"]) == 20
    for values in through_kerastuner["samples"]:
        assert space.problems(values) == []


def is_mixed(parameter: Parameter) -> bool:
    types = {float if type(value) is int else type(value) for value in parameter.values}
    return len(types) > 1


@given(spaces())
def test_a_space_survives_the_way_to_kerastuner_and_back(any_space: SearchSpace):
    if any(is_mixed(parameter) for parameter in any_space.parameters):
        with pytest.raises(ValueError, match="values of one type"):
            to_kerastuner(any_space)
        return
    config = to_kerastuner(any_space)
    back, _ = from_kerastuner(json.loads(json.dumps(config)))

    assert back.names == any_space.names
    for parameter in any_space.parameters:
        twin = back[parameter.name]
        assert (twin.size, twin.when) == (parameter.size, parameter.when)
        if parameter.size is not None:
            assert all(twin.at(i) == parameter.at(i) for i in range(min(parameter.size, 20)))


def float_of(**settings: object) -> dict[str, Any]:
    config = {
        "name": "x",
        "conditions": [],
        "min_value": 1e-4,
        "max_value": 0.1,
        "step": None,
        **settings,
    }
    return {"space": [{"class_name": "Float", "config": config}], "values": {}}


def test_a_geometric_grid_becomes_an_ordinal():
    space, _ = from_kerastuner(float_of(step=10, sampling="log"))

    assert space["x"].kind == "ordinal"
    assert space["x"].values == pytest.approx((1e-4, 1e-3, 1e-2, 1e-1))


def test_reverse_log_is_a_reversed_log_and_comes_back():
    space, notes = from_kerastuner(float_of(sampling="reverse_log"))

    assert space["x"].log == "reverse"
    assert notes == []
    assert to_kerastuner(space)["space"][0]["config"]["sampling"] == "reverse_log"


def test_a_missing_sampling_is_linear():
    space, _ = from_kerastuner(float_of(sampling=None))

    assert space["x"].bounds == (1e-4, 0.1)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"class_name": "Lambda", "config": {"name": "x"}}, 'x: unknown KerasTuner class "Lambda"'),
        ({"class_name": "Choice", "config": {"name": "x", "values": []}}, "x: "),
        ({"class_name": "Fixed", "config": {"name": "x", "value": None}}, "x: null is neither"),
        (
            {"class_name": "Int", "config": {"name": "x", "min_value": 0.5, "max_value": 3}},
            "are not whole numbers",
        ),
        (
            {"class_name": "Float", "config": {"name": "x", "min_value": 3, "max_value": 1}},
            "is not a range",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(item: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        from_kerastuner({"space": [item], "values": {}})


def choice(name: str, values: list[Any], *conditions: tuple[str, list[Any]]) -> dict[str, Any]:
    when = [
        {"class_name": "Parent", "config": {"name": parent, "values": allowed}}
        for parent, allowed in conditions
    ]
    config = {"name": name, "values": values, "ordered": False, "conditions": when}
    return {"class_name": "Choice", "config": config}


TWICE = [
    choice("opt", ["adam", "sgd", "lion"]),
    choice("rate", [1, 2], ("opt", ["adam"])),
    choice("rate", [3, 4], ("opt", ["sgd"])),
    choice("rate", [5, 6], ("opt", ["lion"])),
    choice("rate.sgd", [7, 8]),
    choice("decay", [0, 1], ("opt", ["sgd"]), ("rate", [4])),
    choice("never", [0, 1], ("opt", ["sgd"]), ("opt", ["adam"])),
]


def test_one_name_under_several_conditions_is_several_parameters():
    space, notes = from_kerastuner({"space": TWICE})

    assert {p.name: p.values for p in space.parameters} == {
        "opt": ("adam", "sgd", "lion"),
        "rate": (1, 2),
        "rate.sgd": (3, 4),
        "rate.lion": (5, 6),
        "rate.sgd_2": (7, 8),
        "decay": (0, 1),
    }
    # The parent that is meant is the definition that is active there.
    assert [c.parent for c in space["decay"].when] == ["opt", "rate.sgd"]
    assert notes == ["never: its conditions exclude each other, so it is left out"]


def test_the_values_of_a_trial_go_to_the_definition_that_was_active():
    read, _ = read_definitions({"space": TWICE})

    assert own_values(read, {"opt": "sgd", "rate": 4, "decay": 1, "other": 9}) == {
        "opt": "sgd",
        "rate.sgd": 4,
        "decay": 1,
        "other": 9,
    }


def test_the_oracle_and_the_importer_call_the_same_thing_by_the_same_name():
    items = [item for item in TWICE if item["config"]["name"] != "never"]
    space, _ = from_kerastuner({"space": items})

    assert tuple(SpaceMap(items).definitions()) == space.names
