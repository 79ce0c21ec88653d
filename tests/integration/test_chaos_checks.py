"""The checks of the fault suite find what they look for, and its schedule can be replayed."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.check_history import Calls, check_history
from tests.chaos.crash_bench import Bench
from tests.chaos.faults import make_catalogue
from tests.chaos.history import Call
from tests.chaos.log_root import LogRoot
from tests.chaos.rows import StudyRows
from tests.chaos.schedule import applicable, plan
from tests.chaos.stack import Kind
from tests.support.service_process import Nursery, ServiceProcess
from tuner.queue.redis_process import RedisServer

#: What is done to a database without a fault, by what must then be said.
CORRUPTIONS = {
    "the study is running": "UPDATE tuner_studies SET state = 'running'",
    "next number": "UPDATE tuner_studies SET next_number = 9",
    "numbers have gaps": "DELETE FROM tuner_trials WHERE number = 1",
    "5 trials, 4 count": "UPDATE tuner_trials SET counted = 0 WHERE number = 2",
    "repeats the configuration": "UPDATE tuner_trials SET params_json = "
    "(SELECT params_json FROM tuner_trials WHERE number = 0) WHERE number = 3",
    "told in the order": "UPDATE tuner_trials SET told = 1",
    "6 tells for 5 trials": "UPDATE tuner_studies SET told = 6",
    "has no outcome": "UPDATE tuner_trials SET state = 'running' WHERE number = 4",
    "may still run": "UPDATE tuner_attempts SET state = 'leased' WHERE number = 4",
    "had the outcomes": "INSERT INTO tuner_events (study_id, number, time, kind, text) "
    "SELECT id, 2, 0, 'trial-fail', '' FROM tuner_studies",
    "is complete with": "UPDATE tuner_trials SET values_json = '[9]' WHERE number = 0",
    "is not 0.": "UPDATE tuner_trials SET objective = 0.5, values_json = '[0.5]' WHERE number = 0",
    "Optuna has": "UPDATE trial_values SET value = 7 WHERE trial_id = 1",
    "Optuna has (0, 'FAIL'": "UPDATE trials SET state = 'FAIL' WHERE number = 0",
    "says COMPLETE": "UPDATE tuner_trials SET objective = 0.5 WHERE number = 0",
}


@pytest.fixture(scope="module")
def finished(
    nursery: Nursery, shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    """A study that ended without any fault."""
    home = tmp_path_factory.mktemp("checks")
    url = f"sqlite:///{home / 'tuner.db'}"
    bench = Bench(ServiceProcess(nursery, home, url, shared_redis.url))
    bench.service.start()
    bench.submit()
    bench.tune_until(bench.is_closed)
    bench.service.stop()
    yield bench
    bench.lab.close()


@pytest.fixture
def corrupt(finished: Bench, tmp_path: Path) -> Callable[[str], Bench]:
    """Returns the same study in a database and log root in which something is wrong."""

    def corrupt(statement: str) -> Bench:
        home = tmp_path / "home"
        shutil.copytree(finished.service.home, home)
        with sqlite3.connect(home / "tuner.db") as connection:
            connection.execute(statement)
        connection.close()
        url = f"sqlite:///{home / 'tuner.db'}"
        changed = Bench(dataclasses.replace(finished.service, home=home, database_url=url))
        changed.lab = finished.lab
        return changed

    return corrupt


def test_nothing_is_wrong_with_a_study_without_faults(finished: Bench) -> None:
    assert finished.violations() == []


@pytest.mark.parametrize("said", CORRUPTIONS)
def test_a_wrong_row_is_found(corrupt: Callable[[str], Bench], said: str) -> None:
    found = corrupt(CORRUPTIONS[said]).violations()

    assert any(said in problem for problem in found), found


@pytest.mark.parametrize("pattern", ["config.json", "trial.json", "events.out.tfevents.*"])
def test_a_missing_file_is_found(corrupt: Callable[[str], Bench], pattern: str) -> None:
    bench = corrupt("SELECT 1")
    next(bench.service.log_root.glob(f"*/*/trial_00003*/{pattern}")).unlink()

    assert all("trial_00003" in problem for problem in bench.violations())
    assert bench.violations()


def test_a_call_that_contradicts_the_database_is_found(finished: Bench) -> None:
    rows = StudyRows(finished.service.database_url, "faults", finished.lab.name)
    attempt = rows.attempts[0][0]
    claim = Call(kind="claim", link="l", sent=1.0, attempt=attempt.id, status=200)
    claim.body = {"token": attempt.token}
    claim.answer = {"params": rows.params(rows.trials[0])}
    finish = Call(kind="finish", link="l", sent=2.0, answered=3.0, attempt=attempt.id, status=200)
    finish.body = {"token": attempt.token, "outcome": "complete", "duration_s": 0.5}
    finish.body["values"] = [rows.trials[0].objective]
    finish.answer = {"is_outcome": True}
    others = [_calls(row[0], rows) for row in list(rows.attempts.values())[1:]]
    usual = [claim, finish, *itertools.chain(*others)]

    assert said(usual, rows) == []
    assert "was refused" in said([dataclasses.replace(finish, status=409)], rows)[0]
    stranger = dataclasses.replace(claim, body={"token": "0" * 32})
    assert "belongs to" in said([stranger, *usual], rows)[0]
    later = dataclasses.replace(claim, sent=4.0)
    assert "was known" in said([later, finish, *usual[2:]], rows)[0]
    other = dataclasses.replace(finish, body={**finish.body, "values": [0.1]})
    assert "is not stored" in said([*usual, other], rows)[0]
    report = Call(kind="report", link="l", sent=1.5, attempt=attempt.id, status=200)
    report.body = {"token": attempt.token, "points": [{"step": 1, "value": 0.5}]}
    assert "not stored" in said([*usual, report], rows)[0]


def _calls(attempt: Any, rows: StudyRows) -> list[Call]:
    finish = Call(kind="finish", link="l", sent=2.0, attempt=attempt.id, status=200)
    finish.body = {"token": attempt.token, "outcome": "complete", "duration_s": 0.5}
    finish.body["values"] = [rows.trials[attempt.number].objective]
    finish.answer = {"is_outcome": True}
    return [finish]


def said(calls: list[Call], rows: StudyRows) -> list[str]:
    return list(check_history(Calls(calls), rows))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_same_seed_gives_the_same_schedule_of_every_fault(kind: Kind) -> None:
    catalogue = make_catalogue()
    names = applicable(catalogue, kind)
    first, second, third = (
        list(itertools.islice(plan(catalogue, names, seed, 1.0), len(names))) for seed in (7, 7, 8)
    )

    assert first == second != third
    assert sorted(planned.name for planned in first) == sorted(names)


@pytest.mark.parametrize("may_mount", [True, False])
def test_a_log_root_takes_nothing_while_it_is_harmed(tmp_path: Path, *, may_mount: bool) -> None:
    root = LogRoot(tmp_path / "logs", 4, may_mount=may_mount)
    try:
        for harm in (root.fill, root.make_read_only):
            (root.path / "before").write_bytes(bytes(10_000))
            assert harm()
            with pytest.raises(OSError, match=r"No space|Read-only|Not a directory"):
                (root.path / "meanwhile").write_bytes(bytes(10_000))
            root.heal()
            (root.path / "after").write_bytes(bytes(10_000))
            assert (root.path / "before").stat().st_size == 10_000
    finally:
        root.remove()
