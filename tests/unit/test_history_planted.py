"""An import of a log root reads nothing outside, waits for nothing and says what it leaves out."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.board.event_files import write_run
from tests.support.history.lab import HistoryLab, open_lab
from tests.support.hostile.guard import SECRET, Guard
from tests.support.hostile.planted import CASES, Ground, plant, plant_crowd
from tuner.history.importers import listing

STUDY = "project/study"
GOOD, BAD = (f"trial_0000{number}-20261122T231005Z" for number in (1, 2))
INNER = (BAD, STUDY, f"study/{BAD}", "study", "study/_study", "_study", f"{STUDY}/{BAD}")
MOST_BYTES = 100 << 20
#: What an import reads of a log root.
READ = ("trial.json", "config.json", "events", "run", "study", "project")


@pytest.fixture
def lab(sqlite_url: str) -> Iterator[HistoryLab]:
    with open_lab(sqlite_url) as lab:
        yield lab


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return make_ground(tmp_path)


def make_ground(folder: Path) -> Ground:
    """Return a log root with two runs."""
    made = Ground(
        log_root=folder / "logs",
        checkpoint_root=folder / "checkpoints",
        run_dir=f"{STUDY}/{BAD}",
        checkpoint_dir=f"{STUDY}/{BAD}",
        guard=folder / "guard",
    )
    for name in (GOOD, BAD):
        write_own(made.run.parent / name)
    write_run(made.run.parent / "_study")
    return made


def write_own(folder: Path) -> None:
    """Write a run as an attempt leaves it."""
    write_run(folder)
    config = {"metrics": [{"name": "loss", "goal": "minimize"}], "params": {"x": 1.0}}
    record = {"outcome": "COMPLETE", "params": {"x": 1.0}, "objective": 0.5, "values": [0.5]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "trial.json").write_text(json.dumps(record))


def keys(lab: HistoryLab) -> set[str]:
    return {
        trial.key for summary in lab.store.studies() for trial in lab.store.load(summary.key).trials
    }


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in CASES} - {"crowd"}))
def test_a_planted_thing_is_left_out_and_the_rest_is_imported(
    kind: str, tmp_path: Path, lab: HistoryLab
) -> None:
    for place in (place for other, place in CASES if other == kind):
        ground = make_ground(tmp_path / place)
        with Guard(ground.guard, INNER) as guard:
            try:
                plant(kind, place, ground)
            except PermissionError:
                pytest.skip("this process may make no device")
            guard.uses()  # by the planting
            tracemalloc.start()
            report = lab.add(ground.log_root, log_root=ground.log_root)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            guard.check()

        assert peak < MOST_BYTES, place
        assert report.imported + report.unchanged >= (0 if place in ("study", "project") else 1), (
            place
        )
        # What has the name of something that is read is named, with its reason.
        if place in READ and "link to" in kind:
            found = [item.reason for item in report.refused]
            assert any(reason.startswith("is a link") for reason in found), (place, found)
    assert SECRET not in str(lab.reasons())


def test_of_a_crowd_of_event_files_a_bounded_number_is_read(
    ground: Ground, lab: HistoryLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MAX_EVENT_FILES", 100)
    plant_crowd(ground.run, "events.out.tfevents.", 1000)
    lab.add(ground.log_root)

    assert keys(lab) == {GOOD, BAD}
    assert "beyond the first 100 event files" in lab.reasons()[BAD]


def test_what_a_trial_left_in_its_folder_is_not_walked_through(
    ground: Ground, lab: HistoryLab
) -> None:
    write_own(ground.run / "mine" / GOOD.replace("1", "7"))
    (ground.run / "up").symlink_to("..")
    report = lab.add(ground.log_root)

    assert keys(lab) == {GOOD, BAD}
    assert report.rejected == 0


def test_links_in_somebody_elses_folder_are_followed_and_in_ours_they_are_not(
    tmp_path: Path, lab: HistoryLab
) -> None:
    elsewhere = tmp_path / "disk"
    write_run(elsewhere / "run_a", steps=3)
    foreign = tmp_path / "runs"
    write_run(foreign / "run_b")
    (foreign / "more").symlink_to(elsewhere)
    theirs = lab.add(foreign)
    own = tmp_path / "logs"
    write_own(own / STUDY / GOOD)
    (own / "more").symlink_to(elsewhere)
    ours = lab.add(own)

    assert (theirs.imported, theirs.rejected) == (2, 0)
    assert (ours.imported, ours.rejected) == (1, 1)
    assert lab.reasons()["more"] == "is a link, and is left alone in a log root"


def test_a_hard_link_is_read_in_somebody_elses_folder_only(tmp_path: Path, lab: HistoryLab) -> None:
    foreign = tmp_path / "runs"
    write_run(foreign / "run_a")
    (events,) = (foreign / "run_a").iterdir()
    os.link(events, tmp_path / "another name")
    theirs = lab.add(foreign)
    own = tmp_path / "logs"
    write_own(own / STUDY / GOOD)
    os.link(own / STUDY / GOOD / "trial.json", tmp_path / "a second name")
    lab.add(own)

    assert (theirs.imported, theirs.rejected) == (1, 0)
    assert "several names" in lab.reasons()["trial.json"]


def test_a_pipe_that_is_called_like_an_event_file_is_named_and_nothing_waits(
    tmp_path: Path, lab: HistoryLab
) -> None:
    foreign = tmp_path / "runs"
    write_run(foreign / "run_a")
    os.mkfifo(foreign / "run_a" / "b.tfevents.1")
    report = lab.add(foreign)

    assert (report.imported, report.rejected) == (1, 1)
    assert lab.reasons()["b.tfevents.1"] == "is a named pipe, and must be a file"
