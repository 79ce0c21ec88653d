"""One hyperparameter has one name, whoever meets it: a worker, the oracle, the importer, a spec."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.unit.test_space_kerastuner import TWICE
from tuner.keras.spaces import SpaceMap
from tuner.protocol import Found, dotted_name
from tuner.space.kerastuner import from_kerastuner
from workers.hyper.book import Book


@dataclass
class Parent:
    """A condition, as KerasTuner's class of this name."""

    name: str
    values: list[Any]

    def is_active(self, values: dict[str, Any]) -> bool:
        return values.get(self.name) in self.values


@dataclass
class Choice:
    """A hyperparameter, as KerasTuner's class of this name."""

    name: str
    values: list[Any]
    conditions: list[Parent] = field(default_factory=list)
    ordered: bool = False

    @property
    def default(self) -> Any:
        return self.values[0]


def met(items: list[dict[str, Any]], known: list[Found]) -> list[str]:
    """Return the names that a worker gives, one after the other."""
    book = Book(known, {}, lambda _found: None)
    names = []
    for item in items:
        config = item["config"]
        conditions = [Parent(**when["config"]) for when in config["conditions"]]
        entry = book.meet(Choice(config["name"], config["values"], conditions), {})
        names += [] if entry is None else [entry.found.name]
    return names


def test_worker_oracle_and_importer_give_the_same_names() -> None:
    space, _ = from_kerastuner({"space": TWICE})

    assert met(TWICE, []) == list(space.names)
    assert tuple(SpaceMap(TWICE).definitions()) == space.names


def test_a_hypermodel_finds_the_parameters_that_a_converted_spec_gives() -> None:
    space, _ = from_kerastuner({"space": TWICE})
    definitions = space.to_json()["parameters"]
    given = [Found(name=name, source="", definition=item) for name, item in definitions.items()]

    assert met(TWICE, given) == list(space.names)


def test_a_name_that_is_no_dotted_word_becomes_one_for_all() -> None:
    odd = {"class_name": "Choice", "config": {**TWICE[0]["config"], "name": "a/b 1"}}

    assert met([odd], []) == [dotted_name("a/b 1")] == ["a.b_1"]
    assert list(SpaceMap([odd]).definitions()) == ["a.b_1"]
