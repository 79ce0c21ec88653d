"""Imports are incremental, happen wholly or not at all, and count nothing twice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.databases.dump import Database
from tests.support.history.lab import DATA, HistoryLab, open_lab
from tests.support.source_tree import ROOT
from tuner.errors import NotFoundError, SpecError
from tuner.history import HistoricTrial
from tuner.history.store.imported import ImportedRun, Options
from tuner.history.store.writing import HistoryWriter
from tuner.roots import Place
from tuner.storage import tables
from tuner.tfevents import RunWriter


@pytest.fixture
def lab(database_url: str) -> Iterator[HistoryLab]:
    with open_lab(database_url) as lab:
        yield lab


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Five runs of somebody's."""
    folder = tmp_path / "their-logs"
    for number in range(5):
        write_run(folder / f"run-{number}", number / 10)
    return folder


def write_run(folder: Path, value: float) -> None:
    writer = RunWriter(Place(folder))
    writer.start({"rate": value, "layers": 2}, folder.name, 100.0)
    for step in range(3):
        writer.scalars(step, {"score": value + step}, 101.0 + step)
    writer.finish(value, "success", 105.0)
    writer.close()


def test_importing_twice_changes_nothing_and_reads_nothing(lab: HistoryLab, logs: Path) -> None:
    first = lab.add(logs)
    before, read = lab.only(), lab.progress.done
    second = lab.add(logs)

    assert (first.imported, second.imported, second.unchanged) == (5, 0, 5)
    assert second.is_unchanged
    assert lab.progress.done == read
    assert lab.only() == before


def test_what_was_known_of_a_study_is_known_anew_when_all_of_it_is_read_again(
    lab: HistoryLab, logs: Path
) -> None:
    (logs / "run-9").mkdir()
    write_run(logs / "run-9", 0.9)
    shutil.rmtree(logs / "run-0")
    lab.add(logs)
    for folder in [*logs.iterdir()]:
        shutil.rmtree(folder)
        writer = RunWriter(Place(folder))
        writer.start({"other": 1.0}, folder.name, 100.0)
        writer.scalars(1, {"loss": 1.0}, 101.0)
        writer.finish(1.0, "success", 105.0)
        writer.close()
    report = lab.add(logs)
    (study,) = lab.store.studies()

    assert (report.imported, study.parameters) == (5, {"other"})
    assert "score" not in study.metrics


def test_only_what_is_new_or_has_changed_is_read_again(lab: HistoryLab, logs: Path) -> None:
    lab.add(logs)
    write_run(logs / "run-7", 0.7)
    shutil.rmtree(logs / "run-0")
    write_run(logs / "run-0", 0.99)
    report = lab.add(logs)

    assert (report.imported, report.unchanged) == (2, 4)
    assert lab.progress.done == 7
    rates = [trial.params["rate"] for trial in lab.only().trials]
    assert rates == [0.99, 0.1, 0.2, 0.3, 0.4, 0.7]


def test_what_was_imported_stays_when_its_files_are_gone(lab: HistoryLab, logs: Path) -> None:
    lab.add(logs)
    shutil.rmtree(logs / "run-0")
    report = lab.add(logs)

    assert (report.found, report.unchanged) == (4, 4)
    assert len(lab.only().trials) == 5


def test_the_part_of_a_folder_and_the_whole_are_the_same_study(lab: HistoryLab, logs: Path) -> None:
    lab.add(logs / "run-3")
    report = lab.add(logs.parent)

    assert (report.imported, report.unchanged) == (4, 1)
    assert len(lab.only().trials) == 5


def test_a_copy_of_a_folder_is_recognised(lab: HistoryLab, logs: Path, tmp_path: Path) -> None:
    lab.add(logs)
    shutil.copytree(logs, tmp_path / "copy")
    report = lab.add(tmp_path / "copy")

    assert (report.imported, report.unchanged) == (0, 5)
    assert report.studies[0].same_as == lab.only().key


def test_other_options_read_the_same_files_anew_and_are_kept(lab: HistoryLab, logs: Path) -> None:
    lab.add(logs)
    options = Options(metrics=("score",), goals=("minimize",), reduce="best")
    changed = lab.add(logs, options)
    again = lab.add(logs)

    assert (changed.imported, again.imported) == (5, 0)
    assert [trial.metrics["score"] for trial in lab.only().trials] == [0.0, *lab_values()]
    assert lab.only().metrics["score"] == "minimize"


def lab_values() -> list[Any]:
    return [pytest.approx(number / 10) for number in range(1, 5)]


def test_what_was_removed_is_gone_until_it_is_named_again(lab: HistoryLab, logs: Path) -> None:
    lab.add(logs)
    key = lab.only().key
    answer = lab.writer.remove_history(key)

    assert answer == {"removed": key, "trials": 5}
    assert lab.store.studies() == []
    with pytest.raises(NotFoundError, match="nothing was imported as"):
        lab.writer.remove_history(key)
    with pytest.raises(SpecError, match="remove it with: tuner delete"):
        lab.writer.remove_history("vision/digits")
    assert lab.add(logs).imported == 5


def test_an_import_is_not_seen_before_it_is_finished(lab: HistoryLab, logs: Path) -> None:
    writer = HistoryWriter(lab.storage)
    number = writer.history_begin("logs-1", "hparams", "/logs")["number"]
    run = ImportedRun(trial=HistoricTrial(key="a", params={"x": 1}, metrics={"y": 2.0}), stamp="s")
    writer.history_put(number, [run.to_document()])

    assert lab.store.studies() == []
    with pytest.raises(NotFoundError):
        lab.store.load("logs-1")
    with pytest.raises(NotFoundError, match="no unfinished import"):
        writer.history_put(number + 1, [run.to_document()])


KILLED = """
import os, signal, sys
from tests.support.history.lab import open_lab
from tuner.history.store.writing import HistoryWriter

finish = HistoryWriter.history_{step}
def die(*args, **kwargs):
    answer = None if {before} else finish(*args, **kwargs)
    calls.append(answer)
    if len(calls) == {call}:
        os.kill(os.getpid(), signal.SIGKILL)
    return finish(*args, **kwargs) if {before} else answer
calls = []
HistoryWriter.history_{step} = die
with open_lab(sys.argv[1]) as lab:
    lab.add(sys.argv[2])
"""


@pytest.mark.parametrize(
    ("step", "call", "before"),
    [("put", 2, False), ("finish", 2, True), ("finish", 2, False)],
)
def test_an_import_that_was_killed_is_completed_by_the_next_one(
    sqlite_url: str, logs: Path, step: str, call: int, *, before: bool
) -> None:
    shutil.copytree(DATA / "keras", logs.parent / "their-logs" / "more")
    code = KILLED.format(step=step, call=call, before=before)
    killed = subprocess.run(
        [sys.executable, "-c", code, sqlite_url, str(logs)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    with open_lab(sqlite_url) as lab:
        whole = {study.locator.rpartition("/")[2]: study.trials for study in lab.store.studies()}
        assert whole.items() <= {"their-logs": 5, "callback": 3, "by-hand": 2}.items()
        report = lab.add(logs)
        found = Database(sqlite_url)
        trials = found.count("tuner_history_trials", history_id=lab_id(lab, "their-logs"))
        found.close()

        assert report.imported == 10 - sum(whole.values())
        assert report.unchanged == sum(whole.values())
        assert {study.trials for study in lab.store.studies()} == {5, 3, 2}
        assert trials == 5


def lab_id(lab: HistoryLab, name: str) -> int:
    h = tables.history
    query = sa.select(h.c.id).where(
        h.c.locator.endswith(name), h.c.state == "there", h.c.trials > 0
    )
    with lab.storage.read() as connection:
        return int(connection.execute(query).scalar_one())
