"""TensorBoard on several studies, or on a folder of anybody's logs: what is shown, and how much."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.board.event_files import write_run
from tuner.board import view as view_module
from tuner.board.running import FOLDER, LOG_ROOT, PROJECT
from tuner.board.view import View
from tuner.roots import Place


def linked(view: View) -> set[str]:
    """Return the runs that a view shows."""
    links = [path for path in view.folder.rglob("*") if path.is_symlink()]
    return {str(link.parent.relative_to(view.folder)) for link in links}


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    root = tmp_path / "logs"
    for run in ("vision/mlp/trial_00001", "vision/mlp/_study", "vision/cnn/trial_00001"):
        write_run(root / run)
    write_run(root / "text" / "bert" / "trial_00001")
    return root


def test_the_log_root_shows_the_runs_of_all_studies_and_a_project_those_of_its_own(
    logs: Path, tmp_path: Path
) -> None:
    everything = View(Place(logs), tmp_path / "all", runs_at=LOG_ROOT)
    project = View(Place(logs, "vision"), tmp_path / "one", runs_at=PROJECT)
    everything.refresh()
    project.refresh()

    assert linked(project) == {"mlp/trial_00001", "mlp/_study", "cnn/trial_00001"}
    assert linked(everything) == {f"vision/{run}" for run in linked(project)} | {
        "text/bert/trial_00001"
    }


def test_the_bounds_of_a_run_hold_for_each_run_however_many_studies_are_shown(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "MOST_FOLDERS", 3)
    for part in range(9):
        write_run(logs / "vision" / "cnn" / "trial_00001" / f"part{part}")
    view = View(Place(logs), tmp_path / "all", runs_at=LOG_ROOT)
    view.refresh()

    parts = {run for run in linked(view) if "/part" in run}
    assert len(parts) == 2
    assert {"vision/mlp/trial_00001", "text/bert/trial_00001"} <= linked(view)
    assert "more than 3 folders in a run" in view.left_out["vision/cnn/trial_00001"]


def test_where_not_all_studies_find_room_the_newest_are_shown_and_what_goes_makes_room(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "MOST_SHOWN_OF_A_TREE", 2)
    for age, study in enumerate(("text", "vision", "vision/cnn", "vision/mlp")):
        os.utime(logs / study, (10**9 + age, 10**9 + age))
    view = View(Place(logs), tmp_path / "all", runs_at=LOG_ROOT)
    view.refresh()
    first, reasons = linked(view), set(view.left_out.values())
    for file in (logs / "vision" / "mlp").glob("*/*"):
        file.unlink()
    view.refresh()

    assert first == {"vision/mlp/trial_00001", "vision/mlp/_study"}
    assert reasons == {"is one of more than 2 event files"}
    assert linked(view) == {"vision/cnn/trial_00001", "text/bert/trial_00001"}
    assert view.left_out == {}


def test_runs_of_others_are_found_at_any_depth_and_links_out_of_their_folder_are_not_followed(
    tmp_path: Path,
) -> None:
    runs = tmp_path / "runs"
    for run in ("a", "project/0/execution0/train", "project/1/execution0/validation"):
        write_run(runs / run)
    write_run(runs)
    write_run(tmp_path / "outside")
    (runs / "link").symlink_to(tmp_path / "outside")
    view = View(Place(runs), tmp_path / "view", runs_at=FOLDER)
    view.refresh()

    assert linked(view) == {
        ".",
        "a",
        "project/0/execution0/train",
        "project/1/execution0/validation",
    }


def test_of_an_endless_tree_a_bounded_part_is_looked_at_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "MOST_OF_A_TREE", 5)
    for number in range(20):
        write_run(tmp_path / "runs" / str(number))
    view = View(Place(tmp_path / "runs"), tmp_path / "view", runs_at=FOLDER)
    view.refresh()

    assert len(linked(view)) == 5
    assert "more than 5 folders in a tree" in view.left_out[""]
