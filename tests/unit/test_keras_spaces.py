"""KerasTuner's search spaces under the names of a study, and back; KerasTuner is not needed."""

from __future__ import annotations

from typing import Any

import pytest

from tuner.errors import SpecError
from tuner.keras.spaces import Known, SpaceMap
from tuner.spec import parse_spec

Item = dict[str, Any]


def item(kind: str, name: str, when: dict[str, list[Any]] | None = None, **settings: Any) -> Item:
    conditions = [
        {"class_name": "Parent", "config": {"name": parent, "values": values}}
        for parent, values in (when or {}).items()
    ]
    return {"class_name": kind, "config": {"name": name, "conditions": conditions, **settings}}


def integer(name: str, low: int, high: int, **settings: Any) -> Item:
    when = settings.pop("when", None)
    return item("Int", name, when, min_value=low, max_value=high, **settings)


def choice(name: str, values: list[Any], **settings: Any) -> Item:
    when = settings.pop("when", None)
    return item("Choice", name, when, values=values, ordered=False, **settings)


def test_names_become_words_that_stay_short_and_apart() -> None:
    sources = ["units 1", "block/units", "1st", *(f"{'x' * 200}{n}" for n in range(30))]

    names = list(SpaceMap([integer(source, 1, 9) for source in sources]).definitions())

    assert names[:3] == ["units_1", "block.units", "_1st"]
    assert len(set(names)) == len(sources)
    assert max(map(len, names)) <= 100


def test_a_space_is_one_that_a_spec_takes() -> None:
    space = SpaceMap(
        [
            item("Float", "rate", min_value=1e-4, max_value=0.1, sampling="log"),
            item("Float", "reversed", min_value=0.1, max_value=1.0, sampling="reverse_log"),
            item("Float", "third", min_value=0.0, max_value=1.0, step=1 / 3),
            integer("batch", 2, 32, step=2, sampling="log"),
            integer("only", 4, 4),
            integer("wide step", 1, 4, step=10),
            choice("kind", ["a", "b"]),
            item("Boolean", "norm"),
            item("Fixed", "constant", value="relu"),
            integer("units", 1, 9, when={"kind": ["a"], "norm": [True]}),
        ]
    ).definitions()

    parse_spec(
        {
            "project": "p",
            "study": "s",
            "objective": "external",
            "metric": {"name": "loss", "goal": "minimize"},
            "search_space": space,
            "budget": {"trials": 1},
        }
    )
    assert space["batch"] == {"type": "ordinal", "values": [2, 4, 8, 16, 32]}
    assert space["reversed"]["log"] == "reverse"
    assert space["only"] == {"type": "fixed", "value": 4}
    assert space["wide_step"] == {"type": "fixed", "value": 1}
    assert space["units"]["when"] == {"kind": ["a"], "norm": [True]}


def test_one_name_with_several_definitions_is_several_parameters() -> None:
    space = SpaceMap(
        [
            choice("kind", ["cnn", "mlp"]),
            integer("units", 8, 64, when={"kind": ["cnn"]}),
            integer("units", 1, 4, when={"kind": ["mlp"]}),
        ]
    )

    assert list(space.definitions()) == ["kind", "units", "units.mlp"]
    assert space.values({"kind": "mlp", "units.mlp": 3}) == {"kind": "mlp", "units": 3}
    assert space.values({"kind": "cnn", "units": 32}) == {"kind": "cnn", "units": 32}


def test_values_are_of_the_kinds_that_kerastuner_has() -> None:
    space = SpaceMap(
        [
            integer("units", 1, 9),
            item("Float", "rate", min_value=0.0, max_value=1.0),
            choice("size", [1.0, 2.0]),
        ]
    )

    values = space.values({"units": 3.0, "rate": 1, "size": 2, "unknown": 4})

    assert values == {"units": 3, "rate": 1.0, "size": 2.0}
    assert [type(value) for value in values.values()] == [int, float, float]


def test_a_hyperparameter_whose_conditions_exclude_each_other_is_left_out() -> None:
    nested = integer("units", 1, 9, when={"kind": ["a"]})
    nested["config"]["conditions"].append(
        {"class_name": "Parent", "config": {"name": "kind", "values": ["b"]}}
    )

    assert list(SpaceMap([choice("kind", ["a", "b"]), nested]).definitions()) == ["kind"]


def test_what_others_have_met_keeps_the_name_that_they_gave_it() -> None:
    definition = {"type": "int", "low": 1, "high": 9, "when": {"kind": ["a"]}}
    known = [Known(name="units_of_a", source="units", definition=definition)]
    given = [choice("kind", ["a", "b"])]
    met = integer("units", 1, 9, when={"kind": ["a"]})

    space = SpaceMap(given, known, [*given, met])

    assert list(space.definitions()) == ["kind", "units_of_a"]
    assert space.values({"kind": "a", "units_of_a": 5}) == {"kind": "a", "units": 5}


def test_only_what_is_active_and_was_not_proposed_is_met() -> None:
    space = SpaceMap(
        [
            choice("kind", ["a", "b"]),
            integer("units", 1, 9, when={"kind": ["a"]}),
            integer("layers", 1, 3, when={"kind": ["b"]}),
        ]
    )
    values = {"kind": "a", "units": 4, "layers": 2}

    assert space.met(values, {"kind": "a"}) == {"units": 4}
    assert space.met(values, {}) == {"kind": "a", "units": 4}
    assert space.met(values, {"kind": "a", "units": 7}) == {}


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([choice("layer", ["a", ""])], "hyperparameter 'layer': "),
        ([integer("x" * 301, 1, 2)], "at most 300"),
        ([choice("many", list(range(1001)))], "hyperparameter 'many'"),
        (
            [
                item("Float", "rate", min_value=0.0, max_value=1.0),
                integer("units", 1, 2, when={"rate": [0.5]}),
            ],
            "it depends on 'rate', which is a Float",
        ),
        ([integer("units", 1, 2, when={"lost": [1]})], "'units': its condition names no"),
        ([{"class_name": "Quantum", "config": {"name": "q"}}], "'q': unknown KerasTuner class"),
    ],
)
def test_what_a_study_cannot_hold_is_refused_by_its_name(items: list[Item], text: str) -> None:
    with pytest.raises(SpecError, match="hyperparameter") as raised:
        SpaceMap(items)
    assert text in str(raised.value)
