from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from tests.support.toy_packages import installed, write_package
from tuner.cli.app import app
from tuner.cli.calling import program, spell
from tuner.cli.main import main
from tuner.registry import COMMANDS as TABLE
from tuner.registry.commands import command as entry

#: What issue 2 asks for; the verbs of later issues are absent.
COMMANDS = {
    "run", "check", "board", "submit", "serve", "down", "list", "status", "best", "show", "logs",
    "watch", "events", "pause", "resume", "stop", "cancel", "retry", "edit", "delete", "doctor",
    "workers up", "workers scale", "workers list", "workers drain", "workers test",
    "workers autoscale", "workers demand",
    "db upgrade", "db backup", "db restore", "db check", "explain", "replay", "report",
    "history add", "history list", "history remove",
    "token create", "token list", "token revoke", "init", "spaces",
    "convert", "export", "launch slurm", "launch ray",
}  # fmt: skip
READING = [
    "doctor",
    "list",
    "status",
    "best",
    "show",
    "logs",
    "watch",
    "events",
    "workers list",
    "explain",
    "replay",
    "history list",
    "token list",
    "spaces",
]


def _walk(
    group: typer.core.TyperGroup, path: str = ""
) -> Iterator[tuple[str, typer.core.TyperCommand]]:
    for name, command in group.commands.items():
        full = f"{path} {name}".strip()
        if isinstance(command, typer.core.TyperGroup):
            yield from _walk(command, full)
        else:
            yield full, command


ALL = dict(_walk(typer.main.get_command(app)))
EXAMPLES = {name: entry(name).examples for name in TABLE.built_in}


def test_the_commands_are_those_that_exist_and_no_stubs() -> None:
    assert set(ALL) == set(TABLE.built_in) == COMMANDS


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_every_parameter_has_help(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main([*name.split(), "--help"])

    assert exit_info.value.code == 0
    assert f"Usage: tuner {name}" in capsys.readouterr().out
    assert ALL[name].help
    for parameter in ALL[name].params:
        hidden = getattr(parameter, "hidden", False)
        assert hidden or parameter.name == "help" or parameter.help, f"{name}: {parameter.name}"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_list_says_of_a_command_what_its_page_begins_with(name: str) -> None:
    assert spell(TABLE.find(name).says) == ALL[name].get_short_help_str(limit=200)


def test_the_list_of_commands_imports_none_of_them_and_a_command_only_its_own_module() -> None:
    code = (
        "import sys\n"
        "from tuner.cli.main import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(*(n for n in sys.modules if n.startswith('tuner.cli.commands.')), file=sys.stderr)"
    )
    for words, modules in (("--help", []), ("status --help", ["tuner.cli.commands.read"])):
        run = [sys.executable, "-c", code, *words.split()]
        done = subprocess.run(run, capture_output=True, text=True, check=True)
        assert done.stderr.split() == modules, words


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_names_values_as_people_do(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*name.split(), "--help"])
    page = capsys.readouterr().out

    assert not re.search(r"<[a-z]+[\[>| ]|[{}]|\bx[<>]=|<=x|\[default: (True|False)\]", page), page


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_flag_changes_something_and_can_be_left_out(name: str) -> None:
    for parameter in ALL[name].params:
        if getattr(parameter, "is_flag", False) and not getattr(parameter, "hidden", False):
            assert parameter.default is False or parameter.secondary_opts, parameter.opts


def test_retry_still_takes_the_flag_that_says_what_it_does_anyway() -> None:
    with ALL["retry"].make_context("retry", ["vision/cnn", "--failed"]) as context:
        assert context.params["study"] == "vision/cnn"


def test_every_command_has_examples_and_its_page_shows_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert all(EXAMPLES.values())
    for name, examples in EXAMPLES.items():
        with pytest.raises(SystemExit):
            main([*name.split(), "--help"])
        page = capsys.readouterr().out
        assert all(f"  {program()} {example}\n" in page for example in examples), page


@pytest.mark.parametrize(
    "example", [example for examples in EXAMPLES.values() for example in examples]
)
def test_every_example_is_a_command_that_exists_with_options_that_it_has(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for word in shlex.split(example):
        if re.fullmatch(r"[\w-]+\.[a-z]{2,6}|ktdir|hosts-token", word):
            (tmp_path / word).touch()
    words = shlex.split(example.partition(" | ")[0])
    name = next(name for name in (" ".join(words[:2]), words[0]) if name in ALL)

    with ALL[name].make_context(name, words[len(name.split()) :]) as context:
        assert context.command is ALL[name]


@pytest.mark.parametrize("name", READING)
def test_every_command_that_reads_has_json(name: str) -> None:
    assert any("--json" in parameter.opts for parameter in ALL[name].params)


def test_help_loads_nothing_that_only_commands_need() -> None:
    heavy = ["httpx", "numpy", "optuna", "pydantic", "redis", "rich", "sqlalchemy", "uvicorn"]
    code = (
        "import sys\n"
        "from tuner.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print(*[name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stderr.split() == []


def test_what_reads_studies_loads_neither_optuna_nor_statistics() -> None:
    # They would take three times the processor time of a whole command that reads.
    code = (
        "import sys, tuner.service.reading\n"
        "print([name for name in ('optuna', 'scipy.stats', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_the_package_loads_nothing_until_asked() -> None:
    code = (
        "import sys, tuner\n"
        "print(sorted(name for name in sys.modules if name.startswith('tuner')))\n"
        "print(tuner.submit.__module__, tuner.StudySpec.__module__.partition('.')[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split("\n")[:2] == ["['tuner']", "tuner.api tuner"]


def test_a_packages_command_is_listed_without_being_imported_and_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = """
import typer
from tuner.registry import Command

def greet(name: str = typer.Argument(help="whom")) -> None:
    "Greet somebody."
    typer.echo(f"hello {name}")

greet_command = Command(make=greet, examples=["greet Ada"])
"""
    entries = (
        "[tuner.commands]\ngreet = greeting:greet_command\nbroken = gone:x\nstatus = greeting:greet"
    )
    write_package(tmp_path, "greeting", "1.0", {"greeting": code}, entries + "\nworkers = gone:x\n")

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_info:
            main(words)
        captured = capsys.readouterr()
        return int(exit_info.value.code or 0), captured.out, captured.err

    with installed(tmp_path):
        listed = call("--help")[1]
        assert "Of installed packages:" in listed
        assert listed.count("A command of greeting 1.0.") == 2
        assert "greeting" not in sys.modules
        assert call("greet", "Ada")[:2] == (0, "hello Ada\n")
        assert "greet Ada" in call("greet", "--help")[1]
        assert call("greett")[2].endswith("No such command 'greett'. Did you mean 'greet'?\n")
        code_of, _, said = call("broken")
        assert (code_of, "the command 'broken' of greeting 1.0 cannot be imported" in said) == (
            2,
            True,
        )
    assert "greet" not in call("--help")[1]
