"""The ready search spaces of `search_spaces/`: each loads, samples, and says what it is for."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from tests.unit.space_strategies import choose
from tuner.cli.writing.ready import ReadySpace, find_space, ready_spaces
from tuner.errors import SpecError
from tuner.spec import load_spec

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


def test_the_names_of_ready_spaces_stay():
    kept = "adam augmentation cnn mlp regularisation sgd tabular transformer"
    assert {f"{name}.yaml" for name in kept.split()} <= set(READY)


@pytest.mark.parametrize("name", READY)
def test_a_ready_space_can_be_included_and_sampled(name: str, tmp_path: Path):
    loaded = load(tmp_path, name)

    assert loaded.warnings == []
    assert loaded.spec.space.unreachable == ()
    for seed in range(50):
        assert loaded.spec.space.problems(loaded.spec.space.walk(choose(seed))) == []


@pytest.mark.parametrize("space", ready_spaces().values(), ids=lambda space: space.name)
def test_a_ready_space_says_what_it_is_for_and_why_each_of_its_ranges(space: ReadySpace):
    assert 20 < len(space.purpose) < 100
    assert len(space.sources) >= 3
    for parameter in space.parameters:
        assert len(parameter.reason) > 30, parameter.name
        assert re.fullmatch(r"(data|model|train)\.[a-z0-9_.]+", parameter.name)


@pytest.mark.parametrize("space", ready_spaces().values(), ids=lambda space: space.name)
def test_a_ready_space_names_each_source_that_its_reasons_cite(space: ReadySpace):
    said = " ".join([*space.notes, *(p.reason for p in space.parameters)])
    cited = re.findall(r"\b([A-Z][a-z]+) ((?:19|20)\d\d)\b", said)

    assert cited
    for author, year in cited:
        assert any(author in s and year in s for s in space.sources), f"{author} {year}"
    for source in space.sources:
        assert re.fullmatch(r"[^:]+: .+ \((19|20)\d\d\)|(Keras 3|scikit-learn): .+", source)


@pytest.mark.parametrize("pair", list(itertools.combinations(READY, 2)), ids="+".join)
def test_two_ready_spaces_go_together_or_say_why_not(pair: tuple[str, str], tmp_path: Path):
    def outcome() -> str:
        try:
            load(tmp_path, *pair)
        except SpecError as refused:
            return str(refused)
        return "they go together"

    assert re.search("they go together|settle it in override", outcome())


@pytest.mark.parametrize(
    ("asked", "meant"), [("mpl", "mlp"), ("lstm", "recurrent"), ("bert", "transformer")]
)
def test_a_space_is_found_by_what_it_is_for(asked: str, meant: str):
    with pytest.raises(SpecError, match=f'did you mean "{meant}"'):
        find_space(asked)
