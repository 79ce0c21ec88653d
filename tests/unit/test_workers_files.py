"""What a trial plants in its own folders costs its files at most, and nothing outside."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest

from tests.support.hostile.guard import SECRET, Guard
from tests.support.hostile.planted import CASES, Ground, plant
from tuner.protocol import Assignment, Finished
from tuner.roots import Place
from workers.failures.causes import read_tail
from workers.objective.checkpoints import Checkpoints
from workers.objective.session import ReportedPoint
from workers.records import files as files_module
from workers.records.files import AttemptFiles

RUN = "project/study/trial_00001"
SAVED = "project/study/trial_00001"
INNER = (
    "trial_00001", "study/trial_00001", "study", "study/_study", "_study", RUN, "project/study",
)  # fmt: skip
#: What neither worker nor trial opens once the run has begun.
UNUSED = ("config.json", "_study", "_study events")
CASES_HERE = [case for case in CASES if case[0] != "crowd" and case[1] not in UNUSED]
RECORD = {"outcome": "COMPLETE", "objective": 0.5}


class Model:
    """As much of a Keras model as a checkpoint needs."""

    def save_weights(self, path: Path) -> None:
        path.write_text("weights")


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(
        log_root=tmp_path / "logs",
        checkpoint_root=tmp_path / "checkpoints",
        run_dir=RUN,
        checkpoint_dir=SAVED,
        guard=tmp_path / "guard",
    )


@pytest.fixture
def files(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> AttemptFiles:
    """An attempt that runs and has printed more than is kept in one file."""
    monkeypatch.setattr(files_module, "ROTATE_EVERY_S", 0.0)
    monkeypatch.setattr(files_module, "MAX_OUTPUT_BYTES", 100)
    # What a crash of the machine leaves is not the subject, and each costs milliseconds.
    monkeypatch.setattr(os, "fsync", lambda _fd: None)
    assignment = Assignment(
        attempt="s1-t1-a1",
        study="project/study",
        trial=1,
        attempt_no=1,
        params={"x": 0.5},
        seed=7,
        objective="train:main",
        metrics=[{"name": "score", "goal": "maximize"}],
        run_dir=RUN,
        checkpoint_dir=SAVED,
    )
    made = AttemptFiles(ground.log_root, assignment)
    made.open({}, 1.7e9)
    (ground.run / "output.log").write_text("x" * 200)
    Checkpoints(Place(ground.checkpoint_root, SAVED), 1).write(
        Model(), 1, [ReportedPoint(step=1, value=1)]
    )
    return made


@pytest.mark.parametrize(("kind", "place"), CASES_HERE)
def test_an_attempt_ends_whatever_its_trial_has_planted(
    kind: str, place: str, ground: Ground, files: AttemptFiles
) -> None:
    with Guard(ground.guard, INNER) as guard:
        try:
            plant(kind, place, ground)
        except PermissionError:
            pytest.skip("this process may make no device")
        guard.uses()  # by the planting

        files.add_point(1, 0.5, {}, 1.7e9)
        files.rotate_output()
        tail = read_tail(files.place)
        files.finish(Finished(is_outcome=True, record=RECORD))
        files.close()
        successor = Checkpoints(Place(ground.checkpoint_root, SAVED), 2)
        # The successor's own code hears of what is wrong with its checkpoints.
        with contextlib.suppress(OSError) if "checkpoint" in place else contextlib.nullcontext():
            successor.newest(known=0)
            successor.write(Model(), 2, [ReportedPoint(step=n, value=n) for n in (1, 2)])

        guard.check()
        assert SECRET not in tail


def test_a_link_in_place_of_the_output_is_neither_cut_nor_read(
    ground: Ground, files: AttemptFiles
) -> None:
    outside = ground.log_root.with_name("data.txt")
    outside.write_text(SECRET * 1000)
    (ground.run / "output.log").unlink()
    for make in (os.symlink, os.link):
        make(outside, ground.run / "output.log")
        files.rotate_output()

        assert outside.read_text() == SECRET * 1000
        assert read_tail(files.place) == ""
        (ground.run / "output.log").unlink()


@pytest.mark.parametrize("kind", ["pipe", "link to a file", "loop", "hard link", "folder"])
def test_output_is_cut_though_something_else_has_the_name_of_what_is_kept(
    kind: str, ground: Ground, files: AttemptFiles
) -> None:
    with Guard(ground.guard, INNER):
        plant(kind, "output.log.1", ground)
        files.rotate_output()

    kept = 0 if kind == "folder" else 200
    assert (ground.run / "output.log").read_text() == ""
    assert (ground.run / "output.log.1").is_dir() or (
        ground.run / "output.log.1"
    ).read_text() == "x" * kept
    assert int((ground.run / "output.log.gone").read_text()) >= 200 - kept


def test_of_a_huge_output_the_end_is_kept_and_the_rest_is_counted(
    ground: Ground, files: AttemptFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_module, "MOST_KEPT_BYTES", 5)
    (ground.run / "output.log").write_text("x" * 1000 + "y" * 5)
    files.rotate_output()

    assert (ground.run / "output.log.1").read_text() == "y" * 5
    assert (ground.run / "output.log.gone").read_text() == "1000\n"


def test_trial_json_is_written_over_a_link_and_not_through_it(
    ground: Ground, files: AttemptFiles
) -> None:
    with Guard(ground.guard, INNER) as guard:
        plant("link to a file", "trial.json", ground)
        guard.uses()
        files.finish(Finished(is_outcome=True, record=RECORD))
        guard.check()

    assert json.loads((ground.run / "trial.json").read_text()) == RECORD
