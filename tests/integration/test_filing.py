"""What the filer makes of a fault: whose it is, when it is tried again, and when it is over."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases.filing_lab import FilingLab, filing_lab
from tests.support.hostile.guard import Guard
from tests.support.hostile.planted import plant
from tests.support.patience import wait_until
from tuner.errors import NotFoundError
from tuner.service.roots import unfiled
from tuner.service.roots.unfiled import FIRST_RETRY_S, LONGEST_RETRY_S, Subject
from tuner.service.studies.restoring import restore
from tuner.storage import open_storage, tables
from tuner.storage.backups.reading import BackupFile
from tuner.storage.backups.writing import write_backup


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[FilingLab]:
    with filing_lab(tmp_path) as made:
        yield made


@pytest.fixture
def guard(tmp_path: Path) -> Iterator[Guard]:
    with Guard(tmp_path / "guard", ("broken/trial_00000", "broken/_study")) as made:
        yield made


def _run(lab: FilingLab, study: str) -> Path:
    return lab.ground(study, lab.folder).run


def _wait_noted(lab: FilingLab, *keys: tuple[str, str]) -> None:
    wait_until(lambda: lab.unfiled().keys() >= set(keys), f"{keys} are noted")


def test_a_run_is_written_once_nothing_stands_in_its_way(lab: FilingLab) -> None:
    lab.add_study("broken")
    blocked = _run(lab, "broken") / "trial.json"
    blocked.mkdir(parents=True)
    lab.start()
    _wait_noted(lab, ("run", "broken-0"))
    (document,) = lab.service.show("lab/broken", 0)["unfiled"]
    assert document["reason"].endswith("trial.json: is a folder, and must be a file")

    blocked.rmdir()
    lab.retry_now()

    wait_until(lambda: not lab.unfiled(), "nothing is missing any more")
    assert blocked.is_file()
    assert lab.filed() == {"broken-0"}
    assert lab.service.status("lab/broken")["unfiled"] is None


def test_a_fault_is_tried_again_ever_more_rarely(lab: FilingLab) -> None:
    lab.add_study("broken")
    subject = Subject(kind="run", study_id=1, key="broken-0", number=0)
    pauses = []
    for _ in range(12):
        with lab.storage.begin() as connection:
            unfiled.note(connection, subject, "a reason", 1000.0)
        pauses.append(lab.unfiled()["run", "broken-0"].next_try - 1000.0)
    assert pauses[:4] == [FIRST_RETRY_S, 2 * FIRST_RETRY_S, 4 * FIRST_RETRY_S, 8 * FIRST_RETRY_S]
    assert pauses[-1] == LONGEST_RETRY_S


def test_what_is_noted_of_a_study_that_was_deleted_meanwhile_is_not_kept(lab: FilingLab) -> None:
    subject = Subject(kind="run", study_id=7, key="gone-0", number=0)
    with lab.storage.begin() as connection:
        unfiled.note(connection, subject, "a reason", 1000.0)
    assert not lab.unfiled()


def test_thousands_of_faults_stand_before_nobody(lab: FilingLab) -> None:
    count = 450
    lab.add_study("broken", trials=count)
    study = _run(lab, "broken").parent
    study.parent.mkdir(parents=True)
    study.write_text("a file")
    lab.start()
    # More than two batches, all older than this one.
    healthy = lab.add_study("healthy")
    wait_until(lambda: lab.filed() >= set(healthy), "the healthy run is filed")
    wait_until(lambda: len(lab.unfiled()) == count + 1, "each fault and the study's are noted")
    missing = lab.service.status("lab/broken")["unfiled"]
    assert missing["total"] == count + 1
    assert len(missing["first"]) == 5


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.ESTALE])
def test_an_error_of_the_file_system_at_one_run_is_that_runs_while_the_root_can_be_written(
    lab: FilingLab, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    lab.add_study("broken")
    healthy = lab.add_study("healthy")
    real = os.fsync

    def fail(fd: int) -> None:
        if "broken" in str(Path(f"/proc/self/fd/{fd}").readlink()):
            raise OSError(number, os.strerror(number))
        real(fd)

    monkeypatch.setattr(os, "fsync", fail)
    lab.start()
    wait_until(lambda: lab.filed() >= set(healthy), "the healthy run is filed")
    _wait_noted(lab, ("run", "broken-0"))
    assert lab.unfiled()["run", "broken-0"].reason == os.strerror(number)
    assert lab.filer.problem() is None


def test_while_the_log_root_cannot_be_written_no_run_is_blamed(lab: FilingLab) -> None:
    lab.add_study("a")
    lab.settings.log_root.write_text("a file")
    lab.start()
    assert "log root" in str(lab.filer.problem())

    lab.settings.log_root.unlink()
    wait_until(lambda: lab.filed() == {"a-0"}, "the run is filed")
    assert lab.filer.problem() is None
    assert not lab.unfiled()


def test_a_row_that_cannot_be_read_costs_the_runs_of_its_study_only(lab: FilingLab) -> None:
    lab.add_study("broken")
    healthy = lab.add_study("healthy")
    with lab.storage.begin() as connection:
        connection.exec_driver_sql("UPDATE tuner_trials SET params_json = '{' WHERE study_id = 1")
    lab.start()
    wait_until(lambda: lab.filed() >= set(healthy), "the healthy run is filed")
    _wait_noted(lab, ("run", "broken-0"))
    assert "JSONDecodeError" in lab.unfiled()["run", "broken-0"].reason


def test_checkpoints_behind_a_link_stay_and_are_said_to(lab: FilingLab, guard: Guard) -> None:
    lab.add_study("broken", trials=3, keep=1)
    root = lab.settings.checkpoint_root / "lab"
    root.mkdir(parents=True)
    (root / "broken").symlink_to(guard.folder / "broken")
    lab.start()
    _wait_noted(lab, ("checkpoints", "broken"))
    guard.check()
    assert "is a link, and must be a folder" in lab.unfiled()["checkpoints", "broken"].reason

    (root / "broken").unlink()
    for number in range(3):
        (root / f"broken/trial_{number:05d}/inner").mkdir(parents=True)
    lab.retry_now()
    wait_until(lambda: not lab.unfiled(), "they are removed")
    assert [path.name for path in (root / "broken").iterdir()] == ["trial_00002"]


def test_a_link_in_the_place_of_a_trials_checkpoints_is_left_alone(
    lab: FilingLab, guard: Guard
) -> None:
    lab.add_study("broken", trials=3, keep=1)
    folder = lab.settings.checkpoint_root / "lab/broken"
    (folder / "trial_00001").mkdir(parents=True)
    (folder / "trial_00000").symlink_to(guard.folder)
    lab.start()
    wait_until(lambda: not (folder / "trial_00001").exists(), "the others are removed")
    lab.stop()
    guard.check()
    assert (folder / "trial_00000").is_symlink()


@pytest.mark.parametrize("root", ["log_root", "checkpoint_root"])
@pytest.mark.parametrize("place", ["project", "study"])
def test_deleting_a_study_behind_a_link_removes_nothing_and_says_so(
    lab: FilingLab, guard: Guard, root: str, place: str
) -> None:
    lab.add_study("broken")
    project = getattr(lab.settings, root) / "lab"
    link, target = (project, guard.folder) if place == "project" else (project / "broken", "broken")
    link.parent.mkdir(parents=True)
    link.symlink_to(guard.folder / target)

    answer = lab.service.delete("lab/broken")

    guard.check()
    assert link.is_symlink()
    (kept,) = answer["kept"]
    assert kept["path"] == str(project / "broken")
    assert "is a link" in kept["reason"]
    assert answer["log_dirs"] == []
    with pytest.raises(NotFoundError):
        lab.service.status("lab/broken")


def test_deleting_a_study_removes_what_was_planted_in_its_folders(
    lab: FilingLab, guard: Guard
) -> None:
    lab.add_study("broken")
    ground = lab.ground("broken", guard.folder)
    for kind, place in (
        ("pipe", "trial.json"),
        ("folder", "config.json"),
        ("link to a folder", "_study"),
        ("loop", "output.log"),
        ("link to a folder", "checkpoint folder"),
    ):
        plant(kind, place, ground)
    (ground.run / "closed").mkdir()
    (ground.run / "closed").chmod(0)

    answer = lab.service.delete("lab/broken")

    guard.check()
    assert answer["kept"] == []
    assert sorted(answer["log_dirs"]) == [
        str(lab.settings.checkpoint_root / "lab/broken"),
        str(lab.settings.log_root / "lab/broken"),
    ]
    assert list((lab.settings.log_root / "lab").iterdir()) == []


@pytest.mark.parametrize("run_dir", ["../guard", "/etc", "lab/../../guard"])
def test_a_path_in_the_database_leads_nowhere_outside(
    lab: FilingLab, guard: Guard, run_dir: str
) -> None:
    lab.add_study("broken")
    with lab.storage.begin() as connection:
        connection.execute(tables.attempts.update().values(run_dir=run_dir))
    lab.start()
    _wait_noted(lab, ("run", "broken-0"))
    assert "must be a path below" in lab.unfiled()["run", "broken-0"].reason
    with pytest.raises(NotFoundError, match="must be a path below"):
        lab.service.log("lab/broken", 0)
    guard.check()


def test_a_restore_renames_no_checkpoints_behind_a_link(
    lab: FilingLab, guard: Guard, tmp_path: Path
) -> None:
    lab.add_study("broken", trials=0)
    lab.add_study("healthy", trials=0)
    path = tmp_path / "backup.gz"
    with path.open("wb") as file:
        write_backup(lab.storage, file, release="1.0")
    root = lab.settings.checkpoint_root / "lab"
    (root / "healthy/trial_00007").mkdir(parents=True)
    (root / "broken").symlink_to(guard.folder / "broken")
    (guard.folder / "broken" / "trial_00009").mkdir()
    restored = open_storage(f"sqlite:///{tmp_path}/restored.db", create=True)
    try:
        with Guard(guard.folder) as watched, path.open("rb") as file:
            done = restore(
                restored,
                BackupFile(file, path.name),
                tmp_path,
                lab.settings.checkpoint_root,
                force=False,
            )
            watched.check()
    finally:
        restored.close()
    assert done.renamed_checkpoints == 1
    (renamed,) = (root / "healthy").iterdir()
    assert renamed.name.startswith("trial_00007-before-")
