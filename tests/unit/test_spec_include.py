"""Search spaces in files of their own, and data paths: both relative to the spec's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.errors import SpecError
from tuner.spec import LoadedSpec, load_spec

HEAD = """\
project: vision
study: digits
objective: objectives:train
metric: {name: loss, goal: minimize}
budget: {trials: 3}
"""
ADAM = """\
train.learning_rate: {type: float, low: 1e-4, high: 1e-1, log: true}
train.beta_1: {type: float, low: 0.8, high: 0.95}
"""
SGD = "train.momentum: {type: float, low: 0, high: 0.99}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "spaces").mkdir()
    (tmp_path / "studies").mkdir()
    (tmp_path / "spaces" / "adam.yaml").write_text(ADAM)
    (tmp_path / "spaces" / "sgd.yaml").write_text(SGD)
    return tmp_path


def load(folder: Path, text: str) -> LoadedSpec:
    path = folder / "studies" / "digits.yaml"
    path.write_text(HEAD + text)
    return load_spec(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(SpecError) as caught:
        load(folder, text)
    return str(caught.value).replace(f"{folder}/", "")


def test_a_path_is_relative_to_the_specs_folder(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir("/")

    loaded = load(folder, "search_space: ../spaces/adam.yaml\n")

    assert loaded.spec.space.names == ("train.learning_rate", "train.beta_1")


def test_includes_are_joined_in_their_order(folder: Path):
    loaded = load(folder, "search_space: {include: [../spaces/sgd.yaml, ../spaces/adam.yaml]}\n")

    assert loaded.spec.space.names == ("train.momentum", "train.learning_rate", "train.beta_1")


def test_one_include_needs_no_list(folder: Path):
    assert load(folder, "search_space: {include: ../spaces/sgd.yaml}\n").spec.space.names == (
        *("train.momentum",),
    )


def test_an_absolute_path_is_taken_as_it_is(folder: Path):
    loaded = load(folder, f"search_space: {{include: [{folder}/spaces/sgd.yaml]}}\n")

    assert len(loaded.spec.space) == 1


def test_override_changes_what_it_names_and_keeps_the_rest(folder: Path):
    loaded = load(
        folder,
        "search_space:\n"
        "  include: [../spaces/adam.yaml]\n"
        "  override:\n"
        "    train.learning_rate: {high: 0.01}\n"
        "    train.beta_1: {type: fixed, value: 0.9}\n"
        "    model.layers: {type: int, low: 1, high: 4}\n",
    )
    space = loaded.spec.space

    assert (space["train.learning_rate"].bounds, space["train.learning_rate"].log) == (
        (1e-4, 0.01),
        True,
    )
    assert space["train.beta_1"].value == 0.9
    assert space.names[-1] == "model.layers"


def test_override_settles_two_definitions(folder: Path):
    (folder / "spaces" / "sgd.yaml").write_text("train.beta_1: {type: bool}\n")
    include = "include: [../spaces/adam.yaml, ../spaces/sgd.yaml]"

    assert refusal(folder, f"search_space: {{{include}}}\n") == (
        "spaces/sgd.yaml:1:1: search_space.include[1].train.beta_1: two definitions: "
        "defined in another way at spaces/adam.yaml:2:1; settle it in override"
    )
    settled = load(
        folder, f"search_space: {{{include}, override: {{train.beta_1: {{type: bool}}}}}}\n"
    )
    assert settled.spec.space["train.beta_1"].kind == "bool"


def test_the_same_definition_twice_is_one(folder: Path):
    loaded = load(folder, "search_space: {include: [../spaces/adam.yaml, ../spaces/adam.yaml]}\n")

    assert len(loaded.spec.space) == 2


def test_a_problem_in_an_included_file_is_placed_there(folder: Path):
    (folder / "spaces" / "adam.yaml").write_text("\ntrain.beta_1: {type: float, low: 2, high: 1}\n")

    assert refusal(folder, "search_space: {include: [../spaces/adam.yaml]}\n") == (
        "spaces/adam.yaml:2:34: search_space.train.beta_1.low: 2: a number below high (1.0); "
        "for a constant write {type: fixed, value: …}"
    )


def test_a_problem_of_an_override_is_placed_in_the_spec(folder: Path):
    text = "search_space: {include: [../spaces/adam.yaml], override: {train.beta_1: {low: .nan}}}\n"

    assert refusal(folder, text).startswith(
        "studies/digits.yaml:6:79: search_space.train.beta_1.low: NaN: "
    )


def test_other_problems_are_reported_beside_an_unreadable_include(folder: Path):
    (folder / "spaces" / "adam.yaml").write_text("a: [")

    lines = refusal(folder, "search_space: ../spaces/adam.yaml\nparallel: 0\n").splitlines()

    assert lines[0].startswith("spaces/adam.yaml:1:")
    assert lines[1].startswith("studies/digits.yaml:7:11: parallel: 0: ")


def test_includes_do_not_nest(folder: Path):
    (folder / "spaces" / "all.yaml").write_text("include: [adam.yaml]\n")

    assert refusal(folder, "search_space: ../spaces/all.yaml\n").startswith(
        'spaces/all.yaml:1:10: search_space.include: ["adam.yaml"]: a mapping with a type'
    )


@pytest.mark.parametrize("path", ["a\\0b", "n" * 5000, "", ".", "/dev/null", "../spaces"])
def test_a_path_that_is_no_file_is_refused(folder: Path, path: str):
    message = refusal(folder, f'search_space: {{include: ["{path}"]}}\n')

    assert message.startswith("studies/digits.yaml:6:26: search_space.include[0]: ")
    assert message.endswith("the path of an existing YAML file, relative to the spec's folder")


def test_data_paths_are_relative_to_the_specs_folder_and_stay_as_written(folder: Path):
    (folder / "studies" / "digits.npz").write_bytes(b"1")

    loaded = load(folder, "search_space: ../spaces/sgd.yaml\ndata: {paths: [digits.npz]}\n")

    assert loaded.spec.data.paths == ("digits.npz",)


def test_data_that_does_not_exist_is_refused(folder: Path):
    text = "search_space: ../spaces/sgd.yaml\ndata: {paths: [digits.npz]}\n"

    assert refusal(folder, text) == (
        'studies/digits.yaml:7:16: data.paths[0]: "digits.npz": a file or folder that exists'
    )
