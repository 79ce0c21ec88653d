"""One study cannot stop the others: every damage of its rows, in every step that meets them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.study_faults import (
    DAMAGES,
    HEALTHY,
    TYPED,
    VICTIM,
    House,
    apply,
    build,
    copy_home,
)
from tuner.coordinator.faults import STEPS, Step
from tuner.coordinator.integrity.repair import check, repair
from tuner.coordinator.integrity.values import SHAPES
from tuner.errors import TunerError
from tuner.storage import tables

#: Words of libraries and of SQL, which tell a user nothing.
RAW = re.compile(r"sqlalche|sqlite3|\[SQL|Traceback|INSERT |SELECT |UPDATE |FOREIGN KEY|psycopg")

#: What nobody can put back: it is said what the user can do.
NOT_REPAIRED = frozenset(
    {
        "a key in the spec that this release does not know",
        "a sampler that this release does not know",
        "a space without parameters",
        "tuner_studies.spec_json is no JSON",
        "tuner_studies.spec_json is of another shape",
    }
)
#: What the coordinator writes anew when it sets the study aside, or looks at it.
HARMLESS = frozenset(
    {
        "tuner_studies.reason is bytes",
        "tuner_studies.running_since is a text",
        "tuner_attempts.judged is a text",
    }
)

Act = Callable[[House], object]
#: What brings the victim into the hands of each step: before it is damaged, and afterwards.
Scene = Callable[[House], Act]


def nothing(_house: House) -> None:
    """The rounds alone meet the damage."""


def telling(house: House) -> Act:
    held = house.take(VICTIM)
    held.finish()
    return nothing


def stopping(house: House) -> Act:
    house.service.stop(VICTIM)
    return nothing


def expiring(house: House) -> Act:
    house.take(VICTIM, of_dead=True)
    return lambda house: house.rounds(1, void_dead_local=True)


def judging(house: House) -> Act:
    held = house.take(VICTIM)
    house.restart()
    held.report(0.5)
    return nothing


def reporting(house: House) -> Act:
    held = house.take(VICTIM)
    return lambda _house: held.report(0.1, 0.2, 0.3)


def finishing(house: House) -> Act:
    held = house.take(VICTIM)
    return lambda _house: held.finish()


def losing(house: House) -> Act:
    house.take(VICTIM)
    return nothing


SCENES: dict[Step, Scene] = {
    "looking at its attempts": lambda _house: nothing,
    "loading it": lambda house: lambda _: house.restart(),
    "learning from history": lambda house: lambda _: house.restart(),
    "ending its lost attempts": expiring,
    "judging its reports": judging,
    "telling its results": telling,
    "choosing its first rung": telling,
    "looking at its budget": lambda _house: nothing,
    "ending it": stopping,
    "proposing": lambda _house: lambda house: house.idle(6),
    "giving out a trial": lambda _house: lambda house: [house.claim(f"c{n}") for n in range(4)],
    "taking a result": finishing,
    "taking a report": reporting,
    "reading it": lambda _house: lambda house: house.service.list(),
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("studies") / "home"
    build(home)
    return home


@pytest.fixture
def house(template: Path, tmp_path: Path) -> Iterator[House]:
    house = House(copy_home(template, tmp_path / "home"))
    house.rounds(2)
    yield house
    house.close()


def test_every_step_has_a_scene() -> None:
    assert set(SCENES) == set(STEPS)


def test_every_column_with_json_says_what_it_holds() -> None:
    every = [column for table in tables.metadata.tables.values() for column in table.columns]

    assert {column.name for column in every if column.name.endswith("_json")} <= set(SHAPES)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_study_stops_nobody_else(house: House, damage: str) -> None:
    acts = [scene(house) for step, scene in SCENES.items() if step != "ending it"]
    apply(house, DAMAGES[damage])
    said = [told(act, house) for act in acts]
    house.rounds()

    assert not RAW.search(" ".join(said)), said
    assert_well(house)


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("damage", [*DAMAGES, *TYPED])
def test_no_step_that_meets_a_damaged_study_stops_another(
    house: House, damage: str, step: Step
) -> None:
    act = SCENES[step](house)
    apply(house, (DAMAGES | TYPED)[damage])
    said = told(act, house)
    house.rounds()

    assert not RAW.search(said), said
    assert_well(house)


@pytest.mark.slow
@pytest.mark.parametrize("damage", TYPED)
def test_a_value_of_another_kind_is_found_and_mended(house: House, damage: str) -> None:
    assert_mended(house, damage)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damage_is_found_and_the_study_goes_on_after_its_repair(
    house: House, damage: str
) -> None:
    assert_mended(house, damage)


def assert_mended(house: House, damage: str) -> None:
    """It is named, mended or left to the user, and the study goes on."""
    held = house.take(VICTIM)
    held.finish()
    apply(house, (DAMAGES | TYPED)[damage])
    house.restart()
    house.rounds()
    found = check(house.storage)
    done = repair(house.storage)

    assert found or damage in HARMLESS, "the damage is named"
    assert not any(RAW.search(f"{f.text} {f.does}") for f in found)
    assert bool(done.left) == (damage in NOT_REPAIRED), [f.text for f in done.left]
    if damage in NOT_REPAIRED:
        return
    if house.states()[VICTIM][0] == "paused":
        house.service.resume(VICTIM)
    house.restart()
    house.take(VICTIM).finish()
    house.rounds()
    assert house.states()[VICTIM] == ("running", "")
    assert not check(house.storage)


def told(act: Act, house: House) -> str:
    """Do something and return the error that says on purpose what is wrong."""
    try:
        act(house)
    except TunerError as exc:
        return str(exc)
    return ""


def assert_well(house: House) -> None:
    """The other study gets its trials and tells its results; everything is listed; no SQL."""
    for _ in range(2):
        held = house.take(HEALTHY)
        held.report(0.1)
        held.finish()
    house.rounds(2)
    listed = {row["study"]: row for row in house.service.list()}
    assert set(listed) == {VICTIM, HEALTHY}
    assert listed[HEALTHY]["state"] == "running"
    assert listed[HEALTHY]["fault"] is None
    said = str(listed[VICTIM]["reason"])
    assert not RAW.search(said), said
