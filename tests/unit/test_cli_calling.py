"""Commands are printed as they have to be typed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from tuner.cli import calling
from tuner.cli.app import app
from tuner.cli.render.output import _Console


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    calling.program.cache_clear()
    yield
    calling.program.cache_clear()


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program in a clone's environment that is not activated; the clone is the folder."""
    path = tmp_path / "clone" / ".venv" / "bin" / "tuner"
    path.parent.mkdir(parents=True)
    path.touch(mode=0o755)
    monkeypatch.chdir(tmp_path / "clone")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(sys, "argv", [".venv/bin/tuner", "list"])
    return path


def test_without_an_activated_environment_the_way_from_this_folder_is_printed(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert calling.command("board", "a/b") == ".venv/bin/tuner board a/b"
    calling.program.cache_clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["clone/.venv/bin/tuner"])
    assert calling.program() == "clone/.venv/bin/tuner"
    calling.program.cache_clear()
    monkeypatch.chdir("/usr")
    monkeypatch.setattr(sys, "argv", [str(script)])
    assert calling.program() == str(script)


def test_with_it_on_the_path_its_name_is_printed(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"/usr/bin:{script.parent}")

    assert calling.program() == "tuner"


def test_another_program_of_that_name_on_the_path_is_not_named(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "bin" / "tuner"
    other.parent.mkdir()
    other.touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{other.parent}:{script.parent}")

    assert calling.program() == ".venv/bin/tuner"


def test_a_way_with_blanks_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "my clone" / "tuner"
    path.parent.mkdir()
    path.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)

    assert calling.way_to(path) == "'my clone/tuner'"
    assert calling.near(tmp_path / "a b.yaml") == "'a b.yaml'"
    monkeypatch.chdir(path.parent)
    assert calling.way_to(path) == "./tuner"


def test_every_command_in_a_text_is_spelt_and_nothing_else(script: Path) -> None:
    text = (
        "no worker is there; start some with: tuner workers up (or `tuner run x`), see tuner docs"
    )

    assert calling.spell(text) == (
        "no worker is there; start some with: .venv/bin/tuner workers up "
        "(or `.venv/bin/tuner run x`), see tuner docs"
    )
    assert calling.spell(calling.spell(text)) == calling.spell(text)


def test_a_module_that_is_run_is_spelt_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(sys, "argv", ["/clone/tuner/__main__.py", "run"])

    for text in ("see tuner board a/b", f"see {python} -m tuner board a/b"):
        assert calling.spell(text) == f"see {python} -m tuner board a/b"


def test_what_goes_through_a_console_is_spelt(
    script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _Console(width=200).print("[bold]tuner board a/b[/]")

    assert capsys.readouterr().out == ".venv/bin/tuner board a/b\n"


def test_the_commands_that_are_spelt_are_those_that_there_are() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)

    assert set(calling.WORDS) == set(group.commands)
