"""The JSON files of a study's own folder, as a real filer writes them."""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.support import processes
from tests.support.databases.filing_lab import FilingLab, filing_lab
from tests.support.patience import wait_until
from tuner.documents.study_folder.insights import InsightsDocument
from tuner.documents.study_folder.summary import SummaryDocument
from tuner.errors import UnavailableError
from tuner.security.secrecy import SECRET_VALUES
from tuner.service.files.schedule import EVERY_S, Due, Schedule
from tuner.service.insights.__main__ import CPU_S
from tuner.service.insights.computing import FAILED, Insights, Wish
from tuner.storage import tables
from tuner.trials.states import StudyState


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[FilingLab]:
    with filing_lab(tmp_path) as made:
        yield made


def _path(lab: FilingLab, study: str = "s", name: str = "study.json") -> Path:
    return lab.settings.log_root / "lab" / study / "_study" / name


def _read(path: Path) -> Any:
    return json.loads(path.read_text()) if path.exists() else None


def _set(lab: FilingLab, **values: Any) -> None:
    with lab.storage.begin() as connection:
        connection.execute(tables.studies.update().values(**values))


def test_a_studys_folder_says_what_it_is_and_how_it_stands(lab: FilingLab) -> None:
    lab.add_study("s", trials=3)
    lab.start()
    found = wait_until(lambda: _read(_path(lab)), "study.json is written")

    assert found.pop("updated").endswith("Z")
    TypeAdapter(SummaryDocument).validate_python(found, strict=True)
    assert found.pop("budget")["trials"] == 100
    assert found == {
        "version": 1,
        "study": "lab/s",
        "state": "running",
        "reason": "",
        "metrics": [{"name": "score", "goal": "maximize"}],
        "constraints": [],
        "parameters": [
            {
                "name": "x",
                "type": "float",
                "low": 0.0,
                "high": 1.0,
                "log": False,
                "step": None,
                "values": None,
                "when": None,
            }
        ],
        "order": ["x"],
        "counts": {"waiting": 0, "running": 0, "complete": 3, "pruned": 0, "fail": 0},
        "best": {"trial": 2, "objective": 0.25, "pareto": None},
    }


def test_the_end_of_a_study_is_filed_at_once_and_the_end_of_a_server_too(lab: FilingLab) -> None:
    lab.add_study("s")
    lab.add_study("t")
    lab.start()
    wait_until(lambda: _read(_path(lab)) and _read(_path(lab, "t")), "study.json is written")
    with lab.storage.begin() as connection:
        s = tables.studies
        connection.execute(s.update().where(s.c.name == "s").values(state="finished"))
        connection.execute(s.update().where(s.c.name == "t").values(state="paused"))
    wait_until(lambda: _read(_path(lab))["state"] == "finished", "the end is filed")
    assert _read(_path(lab, "t"))["state"] == "running", "not twice within a minute"
    lab.stop()
    assert _read(_path(lab, "t"))["state"] == "paused"


def test_what_ended_while_no_server_filed_is_filed_by_the_next(lab: FilingLab) -> None:
    lab.add_study("s")
    lab.add_study("removed")
    folder = _path(lab).parent
    folder.mkdir(parents=True)
    _set(lab, state="finished", filed=tables.studies.c.told)
    lab.start()
    wait_until(lambda: _read(_path(lab)), "study.json is written")
    assert _read(_path(lab))["state"] == "finished"
    assert not _path(lab, "removed").parent.exists(), "a folder that was removed stays away"


def test_a_link_in_the_place_of_the_file_is_replaced_and_leads_nowhere(
    lab: FilingLab, tmp_path: Path
) -> None:
    lab.add_study("s")
    target = tmp_path / "target"
    target.write_text("untouched")
    _path(lab).parent.mkdir(parents=True)
    _path(lab).symlink_to(target)
    lab.start()
    wait_until(lambda: not _path(lab).is_symlink() and _read(_path(lab)), "it is written")
    assert target.read_text() == "untouched"


def test_a_damaged_row_costs_no_study_its_summary_and_no_curve(lab: FilingLab) -> None:
    lab.add_study("broken", trials=12)
    with lab.storage.begin() as connection:
        connection.exec_driver_sql("UPDATE tuner_trials SET params_json = '{' WHERE study_id = 1")
    lab.start()
    wait_until(lambda: _read(_path(lab, "broken")), "the summary is written")
    assert list(_path(lab, "broken").parent.glob("events*"))


def _with_insights(lab: FilingLab) -> Insights:
    insights = Insights(lab.storage)
    lab.make_filer(insights)
    return insights


def _insights_without_a_process(
    lab: FilingLab, monkeypatch: pytest.MonkeyPatch, *, trials: int
) -> dict[str, Any]:
    """Return what is filed of a study that has ended where no process can be started."""
    monkeypatch.setattr("sys.executable", "/bin/false")
    lab.add_study("s", trials=trials)
    _with_insights(lab)
    _set(lab, state="finished")
    lab.start()
    found: dict[str, Any] = wait_until(
        lambda: _read(_path(lab, name="insights.json")), "it is written"
    )
    return found


def test_insights_come_from_a_process_of_their_own_and_order_the_parameters(
    lab: FilingLab,
) -> None:
    lab.add_study("s", trials=40)
    with lab.storage.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE tuner_trials SET params_json = '{\"x\": ' || (number / 40.0) || '}'"
        )
    _set(lab, state="finished")
    _with_insights(lab)
    lab.start()
    path = _path(lab, name="insights.json")
    found = wait_until(lambda: _read(path), "insights.json is written")
    assert found["trials"] == 40
    assert found["importance"]["methods"]["main_effects"]["parameters"][0]["name"] == "x"
    assert found.pop("updated").endswith("Z")
    TypeAdapter(InsightsDocument).validate_python(found, strict=True)
    assert _read(_path(lab))["order"] == ["x"]


def test_with_few_results_no_process_is_started(
    lab: FilingLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _insights_without_a_process(lab, monkeypatch, trials=9)
    assert found["trials"] == 9
    assert found["importance"]["why"] == "not known before 10 trials have a result"


@pytest.mark.slow
def test_a_server_that_ends_waits_a_little_for_insights_into_what_has_just_ended(
    lab: FilingLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As long as it takes on this machine: that it waits is tested, not for how long.
    monkeypatch.setattr("tuner.service.files.run_file_writer.INSIGHTS_WITHIN_S", 60.0)
    monkeypatch.setattr("tuner.service.files.run_file_writer._STOP_S", 120.0)
    lab.add_study("s", trials=12)
    _with_insights(lab)
    lab.start()
    _set(lab, state="finished")
    lab.stop()
    assert _read(_path(lab, name="insights.json"))["trials"] == 12


def test_a_process_that_fails_is_told_in_words_and_costs_nobody_else(
    lab: FilingLab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    found = _insights_without_a_process(lab, monkeypatch, trials=12)
    assert found["importance"] == {"why": FAILED, "methods": {}}
    assert _read(_path(lab))["counts"]["complete"] == 12
    (record,) = [r for r in caplog.records if r.message == "insights failed"]
    assert "lab/s" in str(record.__dict__["study"])


def test_the_process_gets_no_secret_of_the_server_but_by_its_input(
    lab: FilingLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\n(env; echo "$@") > {seen}.part; mv {seen}.part {seen}; exit 3\n')
    script.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(script))
    for name in SECRET_VALUES:
        monkeypatch.setenv(name, "postgresql://user:hunter2@host/db")
    monkeypatch.setattr(lab.storage, "url", "postgresql://user:hunter2@host/db")
    insights = Insights(lab.storage)
    insights.want(Wish(study_id=1, name="lab/s", told=20, is_over=True))
    text = wait_until(lambda: seen.exists() and seen.read_text(), "it was started")
    insights.stop()
    assert "-m tuner.service.insights" in text
    assert "hunter2" not in text


def test_a_study_is_looked_at_again_after_a_tenth_more_results_and_at_its_end(
    lab: FilingLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []

    def compute(_self: Insights, wish: Wish) -> dict[str, Any]:
        looked.append(wish.told)
        return {}

    monkeypatch.setattr(Insights, "_try", compute)
    insights = Insights(lab.storage, wait_s=0.0)
    for told in (1, 3, 6, 9, 11, 16, 100, 105, 109, 110, 111):
        insights.want(Wish(study_id=1, name="lab/s", told=told, is_over=False))
        wait_until(lambda: not insights.wanted(), "it is looked at")
    insights.want(Wish(study_id=1, name="lab/s", told=111, is_over=True))
    wait_until(lambda: not insights.wanted(), "it is looked at")
    insights.want(Wish(study_id=1, name="lab/s", told=111, is_over=True))
    assert not insights.wanted()
    insights.stop()
    assert looked == [1, 6, 11, 16, 100, 110, 111]


def test_a_running_study_rests_between_two_analyses_and_an_ended_one_does_not(
    lab: FilingLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []

    def compute(_self: Insights, wish: Wish) -> dict[str, Any]:
        looked.append((wish.study_id, wish.told))
        return {}

    monkeypatch.setattr(Insights, "_try", compute)
    # However short an analysis was.
    monkeypatch.setattr("tuner.service.insights.computing._RESTS", 1e9)
    insights = Insights(lab.storage, wait_s=0.0)
    insights.want(Wish(study_id=1, name="lab/s", told=10, is_over=False))
    wait_until(lambda: not insights.wanted(), "it is looked at")
    insights.want(Wish(study_id=1, name="lab/s", told=20, is_over=False))
    insights.want(Wish(study_id=2, name="lab/t", told=10, is_over=False))
    wait_until(lambda: insights.wanted() == {1}, "the other one is looked at")
    insights.want(Wish(study_id=1, name="lab/s", told=21, is_over=True))
    wait_until(lambda: not insights.wanted(), "it is looked at, as it has ended")
    insights.stop()
    assert looked == [(1, 10), (2, 10), (1, 21)]


def test_a_study_that_ends_soon_is_analysed_once(
    lab: FilingLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []

    def compute(_self: Insights, wish: Wish) -> dict[str, Any]:
        looked.append((wish.study_id, wish.told))
        return {}

    monkeypatch.setattr(Insights, "_try", compute)
    insights = Insights(lab.storage)
    for told in (20, 30):
        insights.want(Wish(study_id=1, name="lab/s", told=told, is_over=False))
    insights.want(Wish(study_id=2, name="lab/t", told=9, is_over=False))
    wait_until(lambda: insights.wanted() == {1}, "the other one is looked at, which costs nothing")
    insights.want(Wish(study_id=1, name="lab/s", told=40, is_over=True))
    wait_until(lambda: not insights.wanted(), "it is looked at, as it has ended")
    insights.stop()
    assert looked == [(2, 9), (1, 40)]


def test_a_study_that_goes_on_does_not_wait_longer_because_it_asks_again(
    lab: FilingLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []

    def compute(_self: Insights, wish: Wish) -> dict[str, Any]:
        looked.append(wish.told)
        return {}

    monkeypatch.setattr(Insights, "_try", compute)
    insights = Insights(lab.storage, wait_s=10.0)
    asked = time.monotonic()
    insights.want(Wish(study_id=1, name="lab/s", told=20, is_over=False, since=asked - 9.9))
    insights.want(Wish(study_id=1, name="lab/s", told=30, is_over=False, since=asked))
    wait_until(lambda: not insights.wanted(), "it is looked at")
    insights.stop()
    assert looked == [30]
    assert time.monotonic() - asked < 10.0


def test_a_process_is_kept_for_the_next_study_replaced_if_it_died_and_ended_after_a_while(
    lab: FilingLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    insights = Insights(lab.storage)

    def analyse(study: int) -> int:
        lab.add_study(f"s{study}", trials=12)
        insights.want(Wish(study_id=study, name=f"lab/s{study}", told=12, is_over=True))
        wait_until(lambda: not insights.wanted(), "it is analysed")
        found = insights.of(study)
        assert found is not None
        assert found["trials"] == 12, found
        (process,) = processes.insights(os.getpid())
        return process

    first = analyse(1)
    # What was used for one study is not held against the next.
    assert resource.prlimit(first, resource.RLIMIT_CPU)[0] > CPU_S
    assert analyse(2) == first
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not processes.is_alive(first), "it has died")
    assert analyse(3) != first
    monkeypatch.setattr("tuner.service.insights.computing._KEEP_S", 0.1)
    lab.add_study("early", trials=1)
    insights.want(Wish(study_id=4, name="lab/early", told=1, is_over=True))
    wait_until(lambda: not processes.insights(os.getpid()), "it has ended")
    insights.stop()


def test_insights_wait_for_a_database_that_is_away(
    lab: FilingLab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lab.add_study("s")
    read = lab.storage.read
    answers = [UnavailableError("the database is away")] * 3

    def away() -> Any:
        if answers:
            raise answers.pop()
        return read()

    monkeypatch.setattr(lab.storage, "read", away)
    monkeypatch.setattr("tuner.service.insights.computing._OUTAGE_WAIT_S", 0.01)
    insights = Insights(lab.storage)
    insights.want(Wish(study_id=1, name="lab/s", told=1, is_over=True))
    wait_until(lambda: not insights.wanted(), "it is looked at")
    insights.stop()

    assert not answers
    assert FAILED not in json.dumps(insights.of(1))
    assert "insights failed" not in caplog.text


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _due(lab: FilingLab, schedule: Schedule, *, last: bool = False) -> list[Due]:
    with lab.storage.read() as connection:
        return schedule.due(connection, (), last=last)


def test_a_study_that_goes_on_is_filed_once_a_minute_when_anything_of_it_is_new(
    lab: FilingLab,
) -> None:
    lab.add_study("s")
    clock = _Clock()
    schedule = Schedule(clock)
    (due,) = _due(lab, schedule)
    schedule.filed(due, StudyState.RUNNING)
    _set(lab, filed=tables.studies.c.told)
    _set(lab, told=2)
    assert _due(lab, schedule) == []
    assert len(_due(lab, schedule, last=True)) == 1
    clock.now += EVERY_S
    (due,) = _due(lab, schedule)
    schedule.filed(due, StudyState.RUNNING)
    _set(lab, filed=2)
    clock.now += EVERY_S
    assert _due(lab, schedule) == [], "nothing is new"
    clock.now += EVERY_S
    with lab.storage.begin() as connection:
        connection.execute(tables.trials.update().values(state="running"))
    assert len(_due(lab, schedule)) == 1, "a trial runs"
