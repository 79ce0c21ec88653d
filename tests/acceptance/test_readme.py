"""Every command and every file of README.md and docs/ is run as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from ruamel.yaml import YAML

from tests.acceptance.console import (
    Block,
    Command,
    Shell,
    matches,
    normalise,
    read_blocks,
    read_commands,
)
from tests.acceptance.home import ROOT, end_processes
from tests.support.needed import needs
from tuner.documents.demand import DemandKind, WorkerDemand
from tuner.documents.study import BudgetUse, StudyStatus, TrialCounts
from tuner.documents.submission import SpecChange, Submitted
from tuner.documents.trial import EventRow, LogPiece, TrialDetail, TrialRow
from tuner.documents.workers import WorkerRow
from tuner.history.matching.outcomes import REASONS
from tuner.registry import COMMANDS as REGISTERED
from tuner.registry import PRUNERS, SAMPLERS
from tuner.settings import SETTINGS
from tuner.spec import load_spec, parse_spec
from tuner.spec.history import HistoryItem
from tuner.spec.model import Head
from tuner.spec.parts import Budget, Data, Metric, TrialLimits
from tuner.trials.causes import POLICIES

README = ROOT / "README.md"
STUDY, COMMANDS, TRIALS, OPERATIONS, HISTORY, EXPLAIN, OPTUNA, KERAS_TUNER, TOKENS, BOARD = (
    ROOT / "docs" / f"{name}.md"
    for name in (
        *("study", "commands", "trials", "operations", "history", "explain", "optuna"),
        "keras-tuner",
        "tokens",
        "board",
    )
)
CONVERT = ROOT / "docs" / "convert.md"
OBJECTIVES = ROOT / "docs" / "objectives.md"
HYPERMODELS = ROOT / "docs" / "hypermodels.md"
SPACES = ROOT / "docs" / "spaces.md"
PAGES = [README, ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
#: What stands for a spec's other keys where a page shows some of them.
REST = {
    "project": "docs",
    "study": "fragment",
    "objective": "objectives:train",
    "metric": {"name": "score", "goal": "maximize"},
    "search_space": {"x": {"type": "float", "low": 0.0, "high": 1.0}},
    "budget": {"trials": 5},
}


class Reader:
    """A person with a fresh account who types what a page says.

    Their folder is `~/study`, their home `/home/ada` in the pages.
    """

    def __init__(self, folder: Path) -> None:
        self.account = folder / "ada"
        self.folder = self.account / "study"
        (self.folder / ".venv" / "bin").mkdir(parents=True)
        (self.account / "shared").mkdir()
        tuner = self.folder / ".venv" / "bin" / "tuner"
        # As pip makes it: the program knows by what name it was called.
        tuner.write_text(f"#!{sys.executable} -P\nfrom tuner.cli import main\n\nmain()\n")
        # The home is there, so that one in the tree that the tests run from plays no part.
        (self.account / ".local" / "share" / "tuner").mkdir(parents=True)
        tuner.chmod(0o755)
        (self.folder / ".venv" / "bin" / "activate").touch()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("TUNER_", "XDG_"))}
        path = [str(tuner.parent), str(Path(sys.executable).parent), kept["PATH"]]
        self._environ = kept | {
            "HOME": str(self.account),
            "PATH": os.pathsep.join(path),
            "PYTHONPATH": str(ROOT),
            "CUDA_VISIBLE_DEVICES": "-1",
            "COLUMNS": "200",
        }
        self._shell = Shell(self.folder, self._environ)
        self._port = str(free_port())

    def read(self, page: Path) -> int:
        """Write the files and run the commands of a page; return how many commands there were."""
        count = 0
        for block in read_blocks(page):
            if block.file is not None:
                (self.folder / block.file).write_text(block.text)
            if block.language in ("sh", "console"):
                for command in read_commands(block):
                    if not command.text.startswith("make "):
                        self._run(command)
                        count += 1
        return count

    def type(self, text: str) -> str:
        """Run a command that must exit with 0; return what it prints."""
        return self._shell.run(Command(text=text))

    def _run(self, command: Command) -> None:
        # Fixed ports and absolute homes are for people: a test must not meet others there.
        text = command.text.replace("8080", self._port).replace("6099", str(free_port()))
        output = (command.output or "").replace("/home/ada", str(self.account))
        self._shell.run(
            Command(
                text=text,
                output=None if command.output is None else output,
                status=command.status,
                interrupt=command.interrupt,
            )
        )


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    end_processes(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
@needs("tensorflow", "sklearn")
def test_the_commands_of_the_readme_do_what_it_says(reader: Reader) -> None:
    assert reader.read(README) == 5
    by_hand = re.search(r"`(train\(Run\.local\(.*\)\))`", README.read_text())
    assert by_hand is not None
    code = f"from objectives import train; from workers import Run; print({by_hand[1]} > 0.5)"
    assert reader.type(f"python -c '{code}'").splitlines()[-1] == "True"


def test_the_make_targets_of_the_readme_exist_and_run_what_it_says() -> None:
    for target, runs in (
        ("run", "tuner run search_spaces/examples/digits.yaml --workers 2"),
        ("board", "tuner board"),
        ("demo", "-m tests.benchmarks.demo"),
        ("test", "-m pytest"),
        ("bench", "-m tests.benchmarks"),
    ):
        assert f"make {target}" in README.read_text()
        done = subprocess.run(
            ["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert runs in done.stdout


def test_the_readme_describes_the_example_that_make_runs() -> None:
    spec = load_spec(ROOT / "search_spaces" / "examples" / "digits.yaml").spec

    assert f"{spec.budget.trials} trials, two workers" in README.read_text()


def test_every_example_is_offered_on_the_first_page_or_with_what_it_shows() -> None:
    first, pages = README.read_text(), "".join(page.read_text() for page in PAGES)
    examples = ROOT / "search_spaces" / "examples"
    for path in (*examples.glob("*.yaml"), *examples.glob("objectives/[!_]*.py")):
        way = path.relative_to(ROOT)
        assert f"]({way})" in first or f"](../{way})" in pages, path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pictures_are_there_small_and_described(page: Path) -> None:
    for described, path in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text()):
        picture = page.parent / path
        assert picture.stat().st_size < 150_000, picture
        assert len(described) > 20, path


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("page", "least"),
    [
        pytest.param(COMMANDS, 40, marks=pytest.mark.slow),
        pytest.param(TRIALS, 8, marks=pytest.mark.slow),
        (STUDY, 1),
        pytest.param(OPERATIONS, 16, marks=pytest.mark.slow),
        pytest.param(HISTORY, 9, marks=pytest.mark.slow),
        pytest.param(EXPLAIN, 5, marks=pytest.mark.slow),
        (OPTUNA, 2),
        pytest.param(TOKENS, 10, marks=pytest.mark.slow),
        pytest.param(KERAS_TUNER, 7, marks=pytest.mark.slow),
        pytest.param(BOARD, 6, marks=pytest.mark.slow),
        pytest.param(SPACES, 2, marks=pytest.mark.slow),
        (CONVERT, 1),
        pytest.param(OBJECTIVES, 2, marks=pytest.mark.slow),
        pytest.param(HYPERMODELS, 2, marks=pytest.mark.slow),
    ],
    ids=lambda value: value.stem if isinstance(value, Path) else None,
)
def test_every_command_of_a_page_prints_what_the_page_shows(
    reader: Reader, page: Path, least: int
) -> None:
    assert reader.read(page) >= least


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if target.startswith(("http:", "https:")):
            continue
        path, _, anchor = target.partition("#")
        linked = page if not path else page.parent / path
        assert linked.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in headings(linked), f"{page.name}: {target}"


def test_every_spec_of_the_page_is_valid(tmp_path: Path) -> None:
    for path in (ROOT / "search_spaces").glob("*.yaml"):
        shutil.copy(path, tmp_path)
    blocks = [block for block in read_blocks(STUDY) if block.language == "yaml"]
    fragments = [block for block in blocks if block.file is None]

    assert len(fragments) >= 9
    for block in fragments:
        spec = complete_spec(tmp_path, block)
        loaded = load_spec(spec)
        assert parse_spec(loaded.spec.to_json()) == loaded.spec


def test_every_key_of_a_spec_stands_in_the_page_with_its_default() -> None:
    rows = read_table(STUDY, "key")
    sections = {
        "": Head,
        "metric": Metric,
        "budget": Budget,
        "trial": TrialLimits,
        "data": Data,
        "history": HistoryItem,
    }
    for section, model in sections.items():
        for name, field in model.model_fields.items():
            default = rows[f"{section}.{name}".lstrip(".")][1]
            if field.is_required():
                assert default == "required", name
            elif field.default not in (None, ()):
                assert default == f"`{field.default}`", name
    assert "sampler.seed" in rows


def test_every_sampler_and_pruner_stands_in_the_page_with_its_options() -> None:
    rows = read_table(STUDY, "name")
    for name, extension in {**SAMPLERS.built_in, **PRUNERS.built_in}.items():
        for option in extension.keys:
            assert f"`{option}`" in rows[name][-1], (name, option)


def test_every_command_and_variable_stands_in_the_page() -> None:
    text = COMMANDS.read_text()
    for name in REGISTERED.built_in:
        group, _, word = name.rpartition(" ")
        # `tuner launch slurm\|ray` stands in one row.
        assert re.search(rf"`(tuner )?({group} )?(\w+\\\|)?{word}\b", text), name
    for name in SETTINGS:
        assert f"`TUNER_{name}`" in text


@pytest.mark.parametrize("page", [STUDY, COMMANDS, OPERATIONS, TOKENS], ids=lambda page: page.stem)
def test_every_part_of_a_long_page_stands_in_its_index(page: Path) -> None:
    index = page.read_text().partition("On this page: ")[2].partition("\n\n")[0]
    parts = re.findall(r"^## (.+)$", page.read_text(), flags=re.M)

    assert re.findall(r"\(#([\w-]+)\)", index) == [
        title.lower().replace(" ", "-") for title in parts
    ]


def test_nothing_names_a_package_that_no_index_has() -> None:
    for folder, pattern in ((ROOT, "*.md"), (ROOT / "docs", "*.md"), (ROOT / "docker", "*")):
        for path in folder.glob(pattern):
            if path.is_file():
                assert not re.search(r"pip install \S*tuner-service", path.read_text()), path
    for package in ("tuner", "workers"):
        for path in (ROOT / package).rglob("*.py"):
            assert "pip install 'tuner-service" not in path.read_text(), path


def test_every_field_of_a_document_stands_in_the_page() -> None:
    text = COMMANDS.read_text()
    documents = (
        *(StudyStatus, TrialCounts, BudgetUse, TrialRow, TrialDetail, EventRow, LogPiece),
        *(WorkerRow, Submitted, SpecChange, WorkerDemand, DemandKind),
    )
    for document in documents:
        for name in get_type_hints(document):
            assert re.search(rf"\b{name}\b", text), (document.__name__, name)


def test_the_causes_of_the_page_are_those_of_the_code() -> None:
    rows = read_table(TRIALS, "cause")
    again = {"retries": "up to `trial.retries`", "once": "once", "always": "always", "never": "no"}
    for cause, policy in POLICIES.items():
        _, runs_again, counts, told = rows[cause]
        assert runs_again.removeprefix("elsewhere, ").startswith(again[policy.again]), cause
        assert ("elsewhere" in runs_again) == policy.elsewhere
        assert counts == ("yes" if policy.counted else "no")
        assert told == ("infeasible" if policy.infeasible else "no")


def test_the_reasons_of_the_page_are_those_of_the_code() -> None:
    assert read_table(HISTORY, "reason").keys() == {*REASONS, "left-out"}


def test_what_a_page_shows_is_compared_by_its_form() -> None:
    shown = "trial 0  height 4.5  0.6 s\n…\nfinished at 2026-11-23 02:58:25 …"

    assert matches(shown, "trial 3  height 1e-05  1 min 2 s\nfinished at 2027-01-01 00:00:00 (all)")
    assert matches(shown, "trial 3 height 5 1 s\na\nb\nfinished at 2027-01-01 00:00:00 all")
    assert not matches(shown, "trial 3  height none  1 s\nfinished at 2027-01-01 00:00:00 ")
    assert not matches(shown, "")
    assert matches("", "\n")
    assert normalise("a-22134-0") == normalise("a-7-1")


def read_table(page: Path, first: str) -> dict[str, list[str]]:
    """Return the other cells of a table's rows, by each name in code in their first cell.

    Args:
        page: where.
        first: heading of the table's first column; several tables may have it.
    """
    rows: dict[str, list[str]] = {}
    inside = False
    for line in page.read_text().splitlines():
        cells = [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")]
        inside = line.startswith("|") and (inside or cells[0].strip("`") == first)
        if inside:
            rows |= dict.fromkeys(re.findall(r"`([^`]+)`", cells[0]), cells[1:])
    return rows


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def complete_spec(folder: Path, block: Block) -> Path:
    """Write a whole spec that holds what a block shows."""
    yaml: Any = YAML(typ="safe", pure=True)
    shown = yaml.load(block.text)
    path = folder / f"line-{block.line}.yaml"
    with path.open("w") as file:
        yaml.dump(REST | shown, file)
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
