"""The ready search spaces of `search_spaces/`: each loads, samples, and says what it is for."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from tests.unit.space_strategies import choose
from tuner.errors import SpecError
from tuner.spec import load_spec
from tuner.spec.yaml_file import read_document

FOLDER = Path(__file__).parents[2] / "search_spaces"
READY = sorted(path.name for path in FOLDER.glob("*.yaml"))

HEAD = """\
project: vision
study: ready
objective: objectives:train
metric: {name: loss, goal: minimize}
budget: {trials: 3}
"""


def load(folder: Path, *names: str):
    path = folder / "ready.yaml"
    path.write_text(
        f"{HEAD}search_space: {{include: [{', '.join(str(FOLDER / n) for n in names)}]}}\n"
    )
    return load_spec(path)


def test_there_are_ready_spaces():
    assert {"adam.yaml", "sgd.yaml", "cnn.yaml", "mlp.yaml", "transformer.yaml"} <= set(READY)


@pytest.mark.parametrize("name", READY)
def test_a_ready_space_can_be_included_and_sampled(name: str, tmp_path: Path):
    loaded = load(tmp_path, name)

    assert loaded.warnings == []
    assert loaded.spec.space.unreachable == ()
    for seed in range(50):
        assert loaded.spec.space.problems(loaded.spec.space.walk(choose(seed))) == []


@pytest.mark.parametrize("name", READY)
def test_a_ready_space_explains_each_of_its_parameters(name: str):
    comment = [line for line in (FOLDER / name).read_text().splitlines() if line.startswith("#")]
    explained = "\n".join(comment)

    assert len(comment) >= 5
    for parameter in read_document(FOLDER / name, name).data:
        assert parameter.rpartition(".")[2] in explained


@pytest.mark.parametrize("pair", list(itertools.combinations(READY, 2)), ids="+".join)
def test_two_ready_spaces_go_together_or_say_why_not(pair: tuple[str, str], tmp_path: Path):
    def outcome() -> str:
        try:
            load(tmp_path, *pair)
        except SpecError as refused:
            return str(refused)
        return "they go together"

    assert re.search("they go together|settle it in override", outcome())
