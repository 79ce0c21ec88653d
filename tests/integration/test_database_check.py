# ruff: noqa: S608 - the statements are made of constants
"""`tuner db check` and its `--repair` on both databases, and a backup that checks what it wrote."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy as sa

from tests.support.databases.lab import Cli
from tests.support.hostile.study_faults import HEALTHY, VICTIM, House, build
from tuner.errors import StudyError
from tuner.storage import tables
from tuner.trials.faults import CANNOT_GO_ON

Wreck = Callable[[House], None]


def by_a_dashboard(house: House) -> None:
    optuna.delete_study(study_name=VICTIM, storage=house.url)


def write(*statements: str) -> Wreck:
    def wreck(house: House) -> None:
        s = tables.studies
        with house.storage.begin() as connection:
            query = sa.select(s.c.id, s.c.optuna_id).where(s.c.name == "victim")
            row = connection.execute(query).one()
            for statement in statements:
                known = {"s": row.id, "o": row.optuna_id}
                bound = {name: value for name, value in known.items() if f":{name}" in statement}
                connection.execute(sa.text(statement), bound)

    return wreck


#: What happened to the victim, and what is said of it.
WRECKS: dict[str, tuple[Wreck, str]] = {
    "deleted in a dashboard": (by_a_dashboard, "gone: it was deleted there"),
    "renamed": (
        write("UPDATE studies SET study_name = 'mine' WHERE study_id = :o"),
        "its number there is that of 'mine'",
    ),
    "text for JSON": (
        write("UPDATE tuner_trials SET params_json = '{' WHERE study_id = :s AND number = 0"),
        "trial 0: its parameters cannot be read",
    ),
    "a trial is gone": (
        write("DELETE FROM tuner_trials WHERE study_id = :s AND number = 1"),
        "trial 1 of it are missing",
    ),
    "its attempts are gone": (
        write("DELETE FROM tuner_attempts WHERE study_id = :s"),
        "waits, and no attempt at it can be claimed",
    ),
    "the number after the last": (
        write("UPDATE tuner_studies SET next_number = 1 WHERE id = :s"),
        "its next trial would be 1",
    ),
    "rows of nobody": (
        write(
            "INSERT INTO tuner_reports (study_id, number, no, step, value, time)"
            " VALUES (999, 0, 1, 1, 0.5, 0)"
        ),
        "1 rows of tuner_reports belong to no study",
    ),
}


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    build(tmp_path / "home", database_url)
    house = House(tmp_path / "home", database_url)
    yield house
    house.close()


@pytest.fixture
def cli(house: House, tmp_path: Path) -> Cli:
    return Cli(tmp_path / "home", house.url)


def checked(cli: Cli, code: int, *options: str) -> dict[str, Any]:
    done = cli.run("db", "check", "--json", *options)
    assert done.code == code, done
    document: dict[str, Any] = json.loads(done.out)
    return document


@pytest.mark.parametrize("name", WRECKS)
def test_what_is_wrong_is_named_mended_and_forgotten(house: House, cli: Cli, name: str) -> None:
    wreck, said = WRECKS[name]
    assert checked(cli, 0)["left"] == []
    wreck(house)
    found = checked(cli, 1)
    house.restart()
    house.rounds()
    set_aside = house.states()[VICTIM]
    if set_aside[0] == "paused":
        assert set_aside[1].startswith(CANNOT_GO_ON)
        with pytest.raises(StudyError, match=r"cannot continue yet: .*tuner db check --repair"):
            house.service.resume(VICTIM)
    house.take(HEALTHY).finish()
    mended = checked(cli, 0, "--repair")
    house.rounds()
    if house.states()[VICTIM][0] == "paused":
        house.service.resume(VICTIM)
    house.take(VICTIM).finish()
    house.rounds()

    assert any(said in finding["text"] for finding in found["left"]), found
    assert all(finding["repairable"] for finding in found["left"])
    assert any(said in finding["text"] for finding in mended["repaired"]), mended
    assert checked(cli, 0)["left"] == []
    assert house.states()[VICTIM] == ("running", "")


def test_results_are_the_same_after_a_repair(house: House, cli: Cli) -> None:
    before = optuna_trials(house)
    best = house.service.best(VICTIM)
    by_a_dashboard(house)
    cli.ok("db", "check", "--repair", VICTIM)

    assert optuna_trials(house) == before
    assert house.service.best(VICTIM) == best


def optuna_trials(house: House) -> list[tuple[Any, ...]]:
    study = optuna.load_study(study_name=VICTIM, storage=house.url)
    return [
        (t.number, t.state, t.values, t.params, t.distributions, t.intermediate_values)
        for t in study.get_trials()
    ]


def test_a_backup_that_could_not_be_restored_is_refused_when_it_is_made(
    house: House, cli: Cli, tmp_path: Path
) -> None:
    cli.ok("db", "backup", tmp_path / "good.backup")
    by_a_dashboard(house)
    said = cli.refused(2, "db", "backup", tmp_path / "bad.backup")
    cli.ok("db", "check", "--repair")
    cli.ok("db", "backup", tmp_path / "bad.backup")

    assert "not written: what the database holds could not be restored" in said
    assert "tuner db check" in said
    assert sorted(p.name for p in tmp_path.glob("*.backup*")) == ["bad.backup", "good.backup"]
    assert not list((tmp_path / "home").glob(".*")), "nothing half is left"
    cli.ok("db", "restore", "--check", tmp_path / "bad.backup")


def test_a_repair_keeps_the_database_as_it_was(house: House, cli: Cli) -> None:
    by_a_dashboard(house)
    copy = checked(cli, 0, "--repair")["copy"]

    if not house.storage.is_sqlite:
        assert copy is None
        return
    kept = Cli(cli.home, f"sqlite:///{copy}")
    assert "gone: it was deleted there" in kept.run("db", "check").out


def test_deleting_a_study_whose_number_is_anothers_leaves_that_one_alone(house: House) -> None:
    write("UPDATE tuner_studies SET optuna_id = (SELECT study_id FROM studies"
          f" WHERE study_name = '{HEALTHY}') WHERE id = :s")(house)  # fmt: skip
    house.restart()
    house.rounds()
    older = house.states()[VICTIM]
    house.service.delete(VICTIM)
    house.rounds()
    house.take(HEALTHY).finish()

    assert older[0] == "paused"
    assert f"its number there is that of '{HEALTHY}'" in older[1]
    study = optuna.load_study(study_name=HEALTHY, storage=house.url)
    assert len(study.get_trials()) == house.service.status(HEALTHY)["counts"]["waiting"] + sum(
        count
        for state, count in house.service.status(HEALTHY)["counts"].items()
        if state != "waiting"
    )
