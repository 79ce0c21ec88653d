# ruff: noqa: S608 - the statements are made of constants
"""One study cannot stop the others: every damage of its rows, in every step that meets them."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.hostile.study_faults import (
    DAMAGES,
    HEALTHY,
    TYPED,
    VICTIM,
    House,
    apply,
    build,
    copy_home,
    spec,
)
from tuner.coordinator.isolation import TURN_CPU_S, StudyIsolation
from tuner.errors import TunerError
from tuner.integrity.repair import check, repair
from tuner.integrity.values import SHAPES
from tuner.spec import parse_spec
from tuner.storage import Storage, open_storage, tables
from tuner.trials.faults import STEPS, Step

#: Words of libraries and of SQL, which tell a user nothing.
RAW = re.compile(r"sqlalche|sqlite3|\[SQL|Traceback|INSERT |SELECT |UPDATE |FOREIGN KEY|psycopg")

#: What nobody can put back: it is said what the user can do.
NOT_REPAIRED = frozenset(
    {
        "a key in the spec that this release does not know",
        "a sampler that this release does not know",
        "a space without parameters",
        "tuner_studies.spec_json is not JSON",
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


@pytest.fixture(scope="module")
def storage(template: Path) -> Iterator[Storage]:
    """The database of each test in its turn: what was compiled of SQL serves them all."""
    storage = open_storage(f"sqlite:///{template.with_name('house')}/tuner.db", create=True)
    yield storage
    storage.close()


@pytest.fixture
def house(template: Path, storage: Storage) -> Iterator[House]:
    home = template.with_name("house")
    # No connection is open to the file that is removed.
    storage.close()
    shutil.rmtree(home)
    house = House(copy_home(template, home), storage=storage)
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


def test_an_attempt_of_a_damaged_study_that_has_ended_stops_nobody(house: House) -> None:
    house.take(VICTIM, of_dead=True)
    apply(house, DAMAGES["the running trial is missing"])
    with house.storage.begin() as connection:
        s = tables.studies
        connection.execute(s.update().where(s.c.name == "victim").values(state="finished"))
    house.rounds(1, void_dead_local=True)
    house.rounds()

    assert_well(house)


def test_a_study_that_takes_long_to_load_keeps_nobody_waiting(house: House) -> None:
    many = 20_000
    apply(house, large(many))
    house.restart()
    house.take(HEALTHY).finish()
    house.rounds(1)
    victim = id_of(house, VICTIM)
    was_waited_for = house.coordinator.judge(victim, 0, 1, []) is not None
    for _ in range(200):
        if house.coordinator.judge(victim, 0, 1, []) is not None:
            break
        house.rounds(1)
        time.sleep(0.1)

    assert not was_waited_for
    assert house.coordinator.judge(victim, 0, 1, []) is not None, "it is served once it is loaded"
    assert house.states()[VICTIM] == ("running", "")


def large(count: int) -> Callable[[sqlite3.Connection, int], None]:
    """Give the victim so many trials, as its first one was."""

    def damage(db: sqlite3.Connection, study: int) -> None:
        columns = "state, params_json, git_json, seed, proposal_json, objective, values_json"
        columns += ", metrics_json, error, counted, told, created, started, finished, duration_s"
        (given,) = db.execute(
            "SELECT next_number FROM tuner_studies WHERE id = ?", (study,)
        ).fetchone()
        (optuna_id,) = db.execute(
            "SELECT optuna_id FROM tuner_studies WHERE id = ?", (study,)
        ).fetchone()
        (highest,) = db.execute("SELECT max(trial_id) FROM trials").fetchone()
        n = "WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        db.execute(
            f"{n} INSERT INTO trials (trial_id, number, study_id, state)"
            " SELECT ? + i, i, ?, 'COMPLETE' FROM n",
            (given, count, highest, optuna_id),
        )
        taken = columns.replace("told,", "1000 + i,")
        db.execute(
            f"{n} INSERT INTO tuner_trials (study_id, number, optuna_id, {columns})"
            f" SELECT study_id, i, ? + i, {taken} FROM tuner_trials, n"
            " WHERE study_id = ? AND number = 0",
            (given, count, highest, study),
        )
        set_counts = "UPDATE tuner_studies SET next_number = ?, told = ? WHERE id = ?"
        db.execute(set_counts, (count + 1, count + 2000, study))
        document = spec("victim", budget={"trials": 10 * count}, pruner={"name": "none"})
        text = json.dumps(parse_spec(document).to_json())
        db.execute("UPDATE tuner_studies SET spec_json = ? WHERE id = ?", (text, study))

    return damage


def id_of(house: House, study: str) -> int:
    s = tables.studies
    with house.storage.read() as connection:
        query = sa.select(s.c.id).where(s.c.name == study.partition("/")[2])
        return int(connection.execute(query).scalar_one())


def test_a_study_that_takes_much_of_the_loop_rests_if_others_are_there(house: House) -> None:
    isolation = StudyIsolation(house.storage, house.coordinator.leadership, lambda _id: None)
    s = tables.studies
    with house.storage.read() as connection:
        study = connection.execute(sa.select(s).where(s.c.name == "victim")).one()
    for others in (False, True):
        with isolation.step(study, "proposing"):
            begun = time.thread_time()
            while time.thread_time() - begun <= TURN_CPU_S:
                """Work."""
        isolation.end_round(others=others)
        assert isolation.is_due(study.id) != others


def test_a_study_that_is_deleted_while_it_is_served_has_no_fault(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    forgotten: list[int] = []
    isolation = StudyIsolation(house.storage, house.coordinator.leadership, forgotten.append)
    gone: Any = SimpleNamespace(id=1000, project="p", name="gone", full_name="p/gone", revision=0)
    with isolation.step(gone, "loading it"):
        raise ValueError("its study in Optuna's tables is gone")

    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
    assert forgotten == [gone.id]


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
