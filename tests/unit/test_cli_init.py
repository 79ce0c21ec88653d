"""`tuner spaces` and `tuner init`: what they show, and what they write."""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path

import pytest

from tests.support.terminal import on_a_terminal
from tuner.cli.main import main
from tuner.cli.writing.first_study import write_study
from tuner.cli.writing.ready import ReadySpace, find_space, ready_spaces
from tuner.spec import load_spec

ROOT = Path(__file__).parents[2]
SPACES = list(ready_spaces().values())
PAGE = ROOT / "docs" / "spaces.md"


def tuner(*args: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(arg) for arg in args])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_list_says_of_each_space_what_for_and_what_it_runs_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tuner("spaces") == 0
    shown = capsys.readouterr().out
    assert tuner("spaces", "--json") == 0
    listed = json.loads(capsys.readouterr().out)

    for space in SPACES:
        assert re.search(rf"^{space.name} .*{re.escape(space.purpose)}", shown, re.MULTILINE)
    assert [row["name"] for row in listed] == [space.name for space in SPACES]
    assert {row["example"] for row in listed if row["name"] == "mlp"} == {"scikit-learn-digits"}


def test_one_space_is_shown_with_reasons_and_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert tuner("spaces", "adam") == 0
    shown = capsys.readouterr().out

    assert "train.learning_rate: {type: float, low: 1e-5, high: 0.1, log: true}" in shown
    assert "good values lie" in shown
    assert "Adam: a method for stochastic optimization (2015)" in shown
    assert "tuner init adam DIR" in shown


@pytest.mark.parametrize("name", ["mpl", "MLP.yaml", "../mlp", "", "x" * 5000, "examples/mlp"])
def test_a_name_that_is_no_ready_space_is_refused_with_those_that_are(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["spaces", name], ["init", name, "new"]):
        assert tuner(*words) == 2
        said = capsys.readouterr().err
        assert "is not a ready search space" in said
        assert "small-transformer" in said
        assert len(said) < 600
    assert not Path("new").exists()


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_what_init_writes_is_a_valid_study_that_explains_its_ranges(
    space: ReadySpace, folder: Path
) -> None:
    made = write_study(space, folder / "My Study!")
    loaded = load_spec(made.spec)
    objective = ast.parse(made.objective.read_text())

    assert loaded.warnings == []
    assert loaded.spec.name == f"my-study/{space.name}"
    assert loaded.spec.objective == "objectives:train"
    assert "train" in {f.name for f in objective.body if isinstance(f, ast.FunctionDef)}
    text = made.spec.read_text()
    for parameter in loaded.spec.space.parameters:
        line = rf"^  # .+\n  {re.escape(parameter.name)}:"
        assert re.search(line, text, re.MULTILINE), parameter.name
    assert max(map(len, text.splitlines())) <= 110
    assert max(map(len, made.objective.read_text().splitlines())) <= 100


@pytest.mark.parametrize(
    "space", [space for space in SPACES if space.example], ids=lambda space: space.name
)
def test_a_study_from_an_example_is_the_example_under_another_name(
    space: ReadySpace, folder: Path
) -> None:
    assert space.example is not None
    example = space.example.load().spec.to_json()
    made = write_study(space, folder / "new")

    for key in ("project", "study", "objective"):
        del example[key]
    written = load_spec(made.spec).spec.to_json()
    assert {key: written[key] for key in example} == example
    assert made.objective.read_text() == space.example.objective.read_text()
    assert made.is_runnable


def test_a_parameter_with_a_condition_is_read_as_one_that_may_be_absent(folder: Path) -> None:
    made = write_study(find_space("sgd"), folder / "a")
    conditional = write_study(find_space("augmentation"), folder / "b")

    assert 'momentum = run.params["train.momentum"]' in made.objective.read_text()
    assert 'mix_strength = run.params.get("data.mix_strength")' in conditional.objective.read_text()
    assert "data.mix is mixup or cutmix" in conditional.objective.read_text()
    assert not made.is_runnable


def test_init_says_what_it_wrote_and_what_comes_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tuner("init", "mlp", "my study") == 0
    said = capsys.readouterr().out
    assert "wrote    my study/study.yaml" in said
    assert "run it   cd 'my study' && tuner run study.yaml" in said

    assert tuner("init", "sgd") == 0
    said = capsys.readouterr().out
    assert "put your training into sgd/objectives.py" in said

    assert tuner("init", "mlp", "third", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "space": "mlp",
        "folder": "third",
        "spec": "third/study.yaml",
        "objective": "third/objectives.py",
        "runnable": True,
        "missing": [],
    }


@pytest.mark.parametrize("name", ["study.yaml", "objectives.py"])
def test_init_overwrites_nothing_and_leaves_nothing_half_done(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = folder / "mine" / name
    there.parent.mkdir()
    there.write_text("mine")

    assert tuner("init", "mlp", "mine") == 2
    assert f"mine/{name} already exists" in capsys.readouterr().err
    assert there.read_text() == "mine"
    assert [path.name for path in there.parent.iterdir()] == [name]


def test_init_into_a_folder_with_other_files_leaves_them(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")

    assert tuner("init", "mlp", ".") == 0
    assert {path.name for path in folder.iterdir()} == {"notes.txt", "study.yaml", "objectives.py"}


@pytest.mark.parametrize("target", ["file", "file/below", "/proc/none", "n" * 300])
def test_init_where_nothing_can_be_written_says_so(
    target: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "file").write_text("")

    assert tuner("init", "mlp", target) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "cannot be written" in said or "already exists" in said


def test_without_a_name_and_without_a_terminal_init_asks_nobody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tuner("init") == 2
    assert "which search space? name one: tuner init NAME DIR" in capsys.readouterr().err


def test_on_a_terminal_init_asks_until_it_gets_a_name_or_number(
    folder: Path,
) -> None:
    number = [space.name for space in SPACES].index("sgd") + 1
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "dumb", "LANG": "C.UTF-8"}
    code, shown = on_a_terminal(["init"], environ, typed=f"99\nspd\n{number}\n".encode())

    assert code == 0
    assert re.search(r" 1  adam +Adam or AdamW", shown)
    assert 'did you mean "sgd"?' in shown
    assert {path.name for path in (folder / "sgd").iterdir()} == {"study.yaml", "objectives.py"}


def test_packages_that_the_objective_needs_are_named_when_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name: None if name in ("keras", "sklearn", "tensorflow", "jax", "torch") else name,
    )

    assert tuner("init", "mlp", "new") == 0
    said = capsys.readouterr().out
    assert re.search(r"missing  keras, scikit-learn, tensorflow; first: .* install keras", said)


def test_the_page_has_a_row_for_each_space_as_its_file_says() -> None:
    rows = re.findall(r"^\| \[`([\w-]+)`\].*$", PAGE.read_text(), re.MULTILINE)

    assert rows == [space.name for space in SPACES]
    for space in SPACES:
        assert page_row(space) in PAGE.read_text()


def page_row(space: ReadySpace) -> str:
    """Return the row of docs/spaces.md about a space."""
    example = "-"
    if space.example is not None:
        spec, code = (
            f"../{path.relative_to(ROOT)}" for path in (space.example.spec, space.example.objective)
        )
        example = f"{space.example.data}: [study]({spec}), [objective]({code})"
    link = f"[`{space.name}`](../search_spaces/{space.path.name})"
    return f"| {link} | {space.purpose} | {len(space.parameters)} | {example} |"
