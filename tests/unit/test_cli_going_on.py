"""What a terminal asks when a study has changed, and what is said of the folder's files."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tuner.cli.following import going_on
from tuner.cli.following.next_step import run_command
from tuner.client import ApiClient
from tuner.errors import SpecError, StudyError
from tuner.local.submission import Submission, make_submission
from tuner.service.service import Service
from tuner.settings import Settings, load_settings
from tuner.storage import open_storage

SPEC = """
project: walk
study: climb
objective: objectives:train
metric: {name: score, goal: maximize}
search_space: {x: {type: float, low: 0, high: 1}}
budget: {trials: 3}
"""
NAME = "walk/climb"


class Desk:
    """A folder with a spec and a service to submit it to."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        home = folder / "home"
        home.mkdir()
        self.settings: Settings = load_settings({"TUNER_HOME": str(home)})
        self.storage = open_storage(f"sqlite:///{home / 'tuner.db'}", create=True)
        self.service = Service(self.storage, self.settings)
        self.spec = folder / "my climb.yaml"
        self.spec.write_text(SPEC)
        self._patch = monkeypatch

    def write(self, name: str, text: str) -> None:
        (self.spec.parent / name).write_text(text)

    def submit(self, answer: str | None = None, **options: Any) -> tuple[Submission, Any]:
        """Submit the folder; with an answer, to the question of a terminal."""
        self._patch.setattr(going_on, "_may_ask", lambda: answer is not None)
        self._patch.setattr(sys, "stdin", io.StringIO(answer))
        submission = make_submission(self.spec, self.settings, **options)
        # In one process, the service has the verbs of its client.
        return going_on.send(submission, cast(ApiClient, self.service), "tuner run", self.spec)

    def notes(self, **options: Any) -> list[tuple[str, str]]:
        return list(going_on.file_notes(*self.submit(**options)))


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    desk = Desk(tmp_path, monkeypatch)
    desk.write("objectives.py", "def train(run):\n    return 1.0\n")
    yield desk
    desk.storage.close()


@pytest.fixture
def changed(desk: Desk) -> Desk:
    """A study whose code has changed since."""
    desk.submit()
    desk.write("objectives.py", "def train(run):\n    return 2.0\n")
    return desk


def test_the_answer_of_the_user_decides_which_way_it_goes(
    changed: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    old = changed.submit("o\n")[1]
    sibling, answer = changed.submit("S\n")
    new = changed.submit("new\n")[1]

    asked = capsys.readouterr().err
    assert "objectives.py: line 2 changed (1 line)" in asked
    assert "s  run it as a study of its own, climb-2, which learns from walk/climb" in asked
    assert old["not_taken"]["code"] == ["objectives.py: line 2 changed (1 line)"]
    assert (sibling.spec.name, answer["created"]) == ("walk/climb-2", True)
    assert [change["key"] for change in new["changes"]] == ["code"]
    assert changed.submit()[1]["changes"] == []


@pytest.mark.parametrize("answer", ["\n", "", "yes\n", None])
def test_whoever_chooses_no_way_is_refused_with_commands_that_fit_a_shell(
    changed: Desk, answer: str | None
) -> None:
    with pytest.raises(StudyError) as refused:
        changed.submit(answer)

    command = f"tuner run '{changed.spec}'"
    lines = str(refused.value).splitlines()
    assert [line.split("  ")[1] for line in lines[3:]] == [
        f"{command} --code old",
        f"{command} --code new",
        f"{command} --as climb-2",
    ]


def test_a_study_under_another_name_is_gone_on_with_under_that_name(changed: Desk) -> None:
    changed.submit(name="wide")
    changed.write("objectives.py", "def train(run):\n    return 3.0\n")
    with pytest.raises(StudyError, match=r"(?s)walk/wide exists.* --as wide --code old .*wide-2"):
        changed.submit(name="walk/wide")

    again = run_command(Path("a b.yaml"), ["--as", "wide", "--code", "old"])
    assert again == "tuner run 'a b.yaml' --as wide --code old"


@pytest.mark.parametrize("name", ["", "Wide", "other/wide", "-", "a" * 64])
def test_a_name_that_no_study_can_have_is_refused(desk: Desk, name: str) -> None:
    with pytest.raises(SpecError, match="is not the name of a study"):
        desk.submit(name=name)


def test_with_another_space_only_another_study_is_offered(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.submit()
    desk.spec.write_text(SPEC.replace("high: 1", "high: 2"))
    renamed, _ = desk.submit("s\n")

    asked = capsys.readouterr().err
    assert "differs in what may not change:\n  search_space.x: " in asked
    assert "choose s, or Enter" in asked
    assert renamed.spec.name == "walk/climb-2"


def test_a_retry_with_another_space_names_the_spec_that_was_given(desk: Desk) -> None:
    desk.submit()
    desk.spec.write_text(SPEC.replace("high: 1", "high: 2"))
    submission = make_submission(desk.spec, desk.settings)

    with pytest.raises(StudyError, match=r"my climb\.yaml' --as climb-2 "):
        going_on.retry_with(submission, desk.service, NAME, desk.spec)


def test_files_are_talked_about_when_it_matters(desk: Desk) -> None:
    desk.write("run.log", "1")
    first = desk.notes()
    again = desk.notes()
    for number in range(5):
        desk.write(f"note{number}.md", "1")
    differing = desk.notes()
    taken = desk.notes(use_code="new")

    assert [label for label, _ in first] == ["left out"]
    assert (again, taken) == ([], [])
    ((label, text),) = differing
    assert label == "other files"
    assert text.startswith("note0.md, note1.md, note2.md and 2 more differ from what the study")
