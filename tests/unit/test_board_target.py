"""What `tuner board WORD` opens: a study, a project, all of them, or a folder; and its links."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from tests.support.history.database import make_spec
from tuner.board.running import FOLDER, LOG_ROOT, PROJECT, STUDY
from tuner.cli.board_target import find_target
from tuner.cli.reading.board_link import tab_link, way_to_board
from tuner.errors import NotFoundError, SetupError
from tuner.local.boards import RunningBoard, board_of, noted_board
from tuner.local.home import make_home
from tuner.service.service import Service
from tuner.settings import Settings, load_settings
from tuner.spec import parse_spec
from tuner.storage import open_storage


class House:
    """A home with studies, and a folder that commands are typed in."""

    def __init__(self, folder: Path) -> None:
        self.settings: Settings = load_settings(os.environ)
        make_home(self.settings.home)
        self.here = folder / "work"
        self.here.mkdir()
        self._storage = open_storage(self.settings.database_url, create=True)
        self._service = Service(self._storage, self.settings)

    def submit(self, *names: str) -> None:
        """Submit studies, none of which has run."""
        for name in names:
            project, _, study = name.partition("/")
            spec = {**make_spec(study), "project": project}
            self._service.submit(parse_spec(spec).to_json(), data=None)

    def close(self) -> None:
        self._storage.close()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    found = House(tmp_path)
    monkeypatch.chdir(found.here)
    yield found
    found.close()


def test_a_name_is_a_study_or_a_project_whether_or_not_it_has_files_yet(house: House) -> None:
    house.submit("vision/mlp", "vision/cnn")
    (house.settings.log_root / "text" / "bert").mkdir(parents=True)

    study, project = (find_target(house.settings, word) for word in ("vision/mlp", "vision"))
    by_files = find_target(house.settings, "text/bert")

    assert (study.source.relative, study.runs_at, study.study) == (
        *("vision/mlp", STUDY),
        "vision/mlp",
    )
    assert (project.source.relative, project.runs_at, project.study) == ("vision", PROJECT, None)
    assert by_files.study == "text/bert"
    assert study.note == project.note == by_files.note == ""


def test_without_a_word_all_studies_are_opened_or_the_only_one(house: House) -> None:
    with pytest.raises(NotFoundError, match="no studies yet"):
        find_target(house.settings, None)
    house.submit("vision/mlp")
    only = find_target(house.settings, None)
    house.submit("vision/cnn")
    several = find_target(house.settings, None)

    assert only.study == "vision/mlp"
    assert (several.source.path, several.runs_at) == (house.settings.log_root, LOG_ROOT)
    assert several.study is None


@pytest.mark.parametrize("word", ["runs", "Runs_1", "a/b/c", "./runs", "{here}/runs", "runs/"])
def test_a_folder_that_is_there_is_opened(word: str, house: House) -> None:
    for name in ("runs", "Runs_1", "a/b/c"):
        (house.here / name).mkdir(parents=True)

    found = find_target(house.settings, word.format(here=house.here))

    assert found.runs_at == FOLDER
    assert found.source.path.is_dir()
    assert found.source.path.is_relative_to(house.here)
    assert found.source.relative == ""


def test_of_a_name_and_a_folder_alike_the_name_is_opened_and_that_is_said(house: House) -> None:
    house.submit("vision/mlp")
    (house.here / "vision" / "mlp").mkdir(parents=True)

    study, project = (find_target(house.settings, word) for word in ("vision/mlp", "vision"))
    folder = find_target(house.settings, "./vision/mlp")

    assert study.study == "vision/mlp"
    assert "the study is shown, the folder by: tuner board ./vision/mlp" in study.note
    assert "the project is shown" in project.note
    assert folder.source.path == house.here / "vision" / "mlp"
    assert folder.note == ""


def test_a_folder_that_looks_like_a_name_is_said_to_be_none_of_a_study(house: House) -> None:
    (house.here / "runs").mkdir()

    assert "no study and no project has this name" in find_target(house.settings, "runs").note


@pytest.mark.parametrize(
    ("word", "error", "said"),
    [
        ("vision/mpl", NotFoundError, 'did you mean "vision/mlp"'),
        ("mlp", NotFoundError, 'did you mean "vision/mlp"'),
        ("visoin", NotFoundError, 'did you mean "vision"'),
        ("./vision", SetupError, "there is no such folder"),
        ("/nowhere/at/all", SetupError, "there is no such folder"),
        ("notes.txt", SetupError, "is not a folder"),
        ("./notes.txt", SetupError, "is not a folder"),
        ("Vision/MLP", typer.BadParameter, 'did you mean "vision/mlp"'),
        ("a/b/c", typer.BadParameter, "is not project/study"),
    ],
)
def test_what_is_neither_is_refused_with_what_may_be_meant(
    word: str, error: type[Exception], said: str, house: House
) -> None:
    house.submit("vision/mlp")
    (house.here / "notes.txt").touch()

    with pytest.raises(error, match=said):
        find_target(house.settings, word)


def test_a_link_names_the_study_and_nothing_of_it_can_end_the_link() -> None:
    assert tab_link("http://127.0.0.1:6006") == "http://127.0.0.1:6006/#best_trials"
    assert tab_link("http://h:1", "vision/digits-cnn").endswith("&bt.study=vision%2Fdigits-cnn")


def test_commands_link_to_the_board_that_shows_least_beside_the_study(house: House) -> None:
    root = house.settings.log_root
    command = way_to_board(house.settings, "vision/mlp")
    with noted_board(house.settings, RunningBoard(url="http://h:1", source=root / "vision")):
        link = way_to_board(house.settings, "vision/mlp")
        other = way_to_board(house.settings, "text/bert")

    assert command == way_to_board(house.settings, "vision/mlp") == "tuner board vision/mlp"
    assert link == "http://h:1/#best_trials&bt.study=vision%2Fmlp"
    assert other == "tuner board text/bert"


HOLD = """
import fcntl, sys
file = open(sys.argv[1], "r+")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_of_two_boards_the_narrower_is_linked_and_files_of_dead_or_broken_ones_are_no_matter(
    house: House,
) -> None:
    root, boards = house.settings.log_root, house.settings.home / "boards"
    boards.mkdir(mode=0o700)
    for name, text in (("1", "{"), ("2", "[]"), ("3", '{"url": "http://dead"}'), ("x", "")):
        (boards / name).write_text(text)
    all_of_them = json.dumps({"url": "http://all", "source": str(root)})
    (boards / "4").write_text(all_of_them)
    one_board = RunningBoard(url="http://one", source=root / "vision" / "mlp")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, boards / "4"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with noted_board(house.settings, one_board):
            one, rest = (board_of(house.settings, name) for name in ("vision/mlp", "text/bert"))
        other.communicate()
    after = board_of(house.settings, "text/bert")

    assert one is not None
    assert one.url == "http://one"
    assert rest is not None
    assert rest.url == "http://all"
    assert after is None


def test_a_home_that_cannot_be_written_stops_no_board(house: House) -> None:
    (house.settings.home / "boards").write_text("in the way")
    with noted_board(house.settings, RunningBoard(url="http://h:1", source=Path("/logs"))):
        assert board_of(house.settings, "vision/mlp") is None
