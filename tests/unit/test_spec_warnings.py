"""What a valid spec is warned of."""

from __future__ import annotations

from pathlib import Path

from tuner.spec import load_spec

HEAD = """\
project: vision
study: digits
objective: objectives:train
metric: {name: loss, goal: minimize}
"""


def warnings(folder: Path, text: str) -> list[str]:
    path = folder / "digits.yaml"
    path.write_text(HEAD + text)
    return [line.removeprefix(f"{folder}/") for line in load_spec(path).warnings]


def test_abbreviations_are_warned_of_with_the_full_name(tmp_path: Path):
    text = """\
search_space:
  bs: {type: ordinal, values: [16, 32]}
  train.lr: {type: float, low: 1e-5, high: 1e-1, log: true}
  model.dropout_rate: {type: float, low: 0, high: 0.5}
budget: {trials: 3}
"""

    assert warnings(tmp_path, text) == [
        'digits.yaml:6:3: search_space.bs: abbreviation: better "train.batch_size"',
        'digits.yaml:7:3: search_space.train.lr: abbreviation: better "train.learning_rate"',
    ]


def test_a_budget_above_the_size_of_the_space_is_warned_of(tmp_path: Path):
    text = "search_space: {model.layers: {type: int, low: 1, high: 4}}\nbudget: {trials: 50}\n"

    assert warnings(tmp_path, text) == [
        "digits.yaml:6:18: budget.trials: 50: the space has only 4 configurations; "
        "the study ends when all were tried"
    ]


def test_a_target_alone_is_warned_of(tmp_path: Path):
    text = "search_space: {model.rate: {type: float, low: 0, high: 1}}\nbudget: {target: 0.1}\n"

    assert warnings(tmp_path, text) == [
        "digits.yaml:6:18: budget.target: 0.1: may never be reached; add trials or hours"
    ]


def test_more_starts_than_trials_are_warned_of(tmp_path: Path):
    text = (
        "search_space: {model.rate: {type: float, low: 0, high: 1}}\n"
        "start_with: [{model.rate: 0.1}, {model.rate: 0.2}]\nbudget: {trials: 1}\n"
    )

    assert warnings(tmp_path, text) == [
        "digits.yaml:7:18: budget.trials: 1: fewer than the 2 entries of start_with"
    ]
