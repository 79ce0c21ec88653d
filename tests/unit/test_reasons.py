"""Why a trial was proposed: exploring or exploiting, what drives it, what is near it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from rich.console import Console
from rich.theme import Theme

from tuner.cli.render.study.explanation import print_explanation
from tuner.cli.render.trial.explanation import print_reason
from tuner.samplers.bayesian import BayesianSampler
from tuner.samplers.bayesian.data import TrainingData
from tuner.samplers.bayesian.drivers import driven_by
from tuner.service.answers.wording import interval_text, reason_texts
from tuner.service.explanations.nearest import NEAR, _distances
from tuner.space import SearchSpace
from tuner.space.encoding import Encoding
from tuner.surrogate.columns import Columns, Floats
from tuner.surrogate.model import Model
from tuner.surrogate.warp import Scale

PROPOSAL = {"predicted": 0.947, "predicted_low": 0.931, "predicted_high": 0.962}
COMPARISON: dict[str, Any] = {
    "exploring": 0.2,
    "against": {"trial": 7, "objective": 0.94},
    "drivers": [
        {
            "name": "model.dropout",
            "value": 0.3,
            "there": 0.1,
            "gains": True,
            "expected": 0.92,
            "expected_low": 0.9,
            "expected_high": 0.94,
        },
        {
            "name": "model.width",
            "value": 64,
            "there": 32,
            "gains": False,
            "expected": 0.947,
            "expected_low": 0.946,
            "expected_high": 0.948,
        },
    ],
    "changes": [
        {"name": "train.rate", "value": 0.0012, "there": 0.0011, "same": True, "nearest": None},
        {
            "name": "train.optimizer",
            "value": "adam",
            "there": "adam",
            "same": True,
            "nearest": None,
        },
        {
            "name": "model.dropout",
            "value": 0.3,
            "there": 0.1,
            "same": False,
            "nearest": {"trial": 4, "value": 0.18},
        },
        {"name": "model.layers", "value": 3, "there": 2, "same": False, "nearest": None},
    ],
}
SPACE = {
    "a.x": {"type": "float", "low": 0.0, "high": 1.0},
    "a.kind": {"type": "categorical", "values": ["u", "v"]},
    "a.y": {"type": "float", "low": 0.0, "high": 1.0, "when": {"a.kind": ["v"]}},
}


class Sure(Model):
    """A model that knows everything as well: the mean is the first coordinate."""

    def __init__(self, std: float) -> None:
        self._std = std

    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        return x[:, 0], np.full(len(x), self._std)


@pytest.mark.parametrize(
    ("x", "std", "least", "most"),
    [
        (0.1, 0.01, 0.0, 0.001),  # far better than the best, and sure of it
        (0.49, 1.0, 0.9, 0.999),  # a little better, and anything is possible
        (0.9, 0.2, 1.0, 1.0),  # worse than the best
        (0.9, 1e-6, 1.0, 1.0),  # no improvement at all
    ],
)
def test_a_mean_far_above_the_best_exploits_and_one_below_it_explores(
    x: float, std: float, least: float, most: float
) -> None:
    space = SearchSpace.from_json({"parameters": {"a.x": SPACE["a.x"]}})
    scale = Scale(middle=0.0, unit=1.0, mean=0.0, deviation=1.0)
    best = np.array([[0.5], [0.7]])
    one = np.ones(2)
    data = TrainingData(best, best, one, 0 * one, one > 0, np.array([3, 4]), (scale,))

    found = driven_by([(0.0, Sure(std))], data, Encoding(space), np.array([x]), lambda z: z)

    assert found is not None
    assert found["trial"] == 3
    assert least <= found["exploring"] <= most


def test_the_reason_names_what_was_expected_and_the_trial_that_it_was_measured_against() -> None:
    assert reason_texts("accuracy", PROPOSAL, COMPARISON) == [
        "exploiting: accuracy 0.947 is expected, better than the best so far (0.94, trial 7)",
        "model.dropout 0.3, not 0.1 as in trial 7: with 0.1, 0.92 would be expected",
        "model.width 64, not 32 as in trial 7: more is to be learnt there",
        "much as in trial 7: train.rate 0.0012 (0.0011 there), train.optimizer adam",
        "not as in trial 7: model.layers 3 (2 there)",
        "nothing like it was tried before: model.dropout 0.3 (the nearest: 0.18, trial 4)",
    ]


@pytest.mark.parametrize(
    ("share", "begins"),
    [
        (0.5, "exploiting and exploring: accuracy 0.947 is expected, a little better than"),
        (0.8, "exploring: accuracy 0.947 is expected, a little better than"),
        (1.0, "exploring: accuracy 0.947 is expected, no better than"),
    ],
)
def test_a_proposal_that_explores_says_between_what_anything_is_possible(
    share: float, begins: str
) -> None:
    first = reason_texts("accuracy", PROPOSAL, {**COMPARISON, "exploring": share})[0]

    assert first.startswith(begins)
    assert first.endswith("but little is known: 0.931 to 0.962")


def test_where_no_model_chose_no_reason_is_made_up() -> None:
    nothing = {"exploring": None, "against": None, "drivers": [], "changes": []}

    assert reason_texts("accuracy", {"predicted": None}, nothing) == []


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ((0.94712, 0.93123, 0.96234), "0.947 (0.931 to 0.962)"),
        ((1234.4, 1200.0, 1300.0), "1234 (1200 to 1300)"),
        ((1e300, 0.0, 1e301), "1e+300 (0 to 1e+301)"),
        ((0.5, 0.5, 0.5), "0.5 (0.5 to 0.5)"),
    ],
)
def test_an_interval_is_written_with_two_digits_of_its_width(
    interval: tuple[float, float, float], text: str
) -> None:
    assert interval_text(*interval) == text


def test_a_historic_trial_is_near_when_no_parameter_that_both_know_is_far() -> None:
    columns = Columns(kinds=("real", "real", "choice", "real"), sizes=(0, 0, 2, 0))
    here = np.array([0.5, 0.5, 1.0, 0.5])
    there = np.array(
        [
            [0.5 + NEAR - 0.01, 0.5, 1.0, 0.5],
            [0.5 + NEAR + 0.01, 0.5, 1.0, 0.5],  # one parameter far away, all others equal
            [0.5, 0.5, 0.0, 0.5],  # another choice
            [0.5, np.nan, 1.0, 0.5],  # not recorded there
            [0.5, np.nan, np.nan, np.nan],  # little is known of it
        ]
    )

    assert np.isfinite(_distances(columns, here, there)).tolist() == [
        True,
        False,
        False,
        True,
        False,
    ]


def test_a_proposal_records_what_drives_it_against_the_best_trial_that_it_knew() -> None:
    sampler = BayesianSampler(space=SPACE, seed=3)
    study = optuna.create_study(sampler=sampler, direction="maximize")

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("a.x", 0.0, 1.0)
        if trial.suggest_categorical("a.kind", ["u", "v"]) == "u":
            return 0.5 - abs(x - 0.7)
        return 1.0 - abs(x - 0.7) - 0.1 * abs(trial.suggest_float("a.y", 0.0, 1.0) - 0.3)

    study.optimize(objective, n_trials=7)
    best = study.best_trial
    study.ask()

    found = sampler.insight["against"]
    assert found["trial"] == best.number
    assert found["drivers"]
    assert {driver["name"] for driver in found["drivers"]} <= set(SPACE)
    for driver in found["drivers"]:
        assert driver["worth"] > 0
        assert driver["low"] <= driver["mean"] <= driver["high"]


ROW = {
    "cause": None,
    "sampler": "bayesian",
    "preparation": "ready",
    "artifact": None,
    "trust": None,
    "predicted": None,
    "predicted_low": None,
    "predicted_high": None,
    "predicted_cold": None,
}


def row(number: int, state: str, value: float | None, **changes: Any) -> dict[str, Any]:
    values = {} if value is None else {"accuracy": value}
    final = state == "COMPLETE"
    known = {"trial": number, "state": state, "objective": value, "values": values}
    return {**ROW, **known, "is_final": final, "model": "cold", **changes}


def page(width: int, **changes: Any) -> str:
    document = {
        "study": "vision/digits",
        "sampler": "bayesian",
        "history": "none",
        "state": "unused",
        "summary": "starts cold: history is none",
        "sources": [],
        "artifacts": [],
        "gain": None,
        "pruning": None,
        "proposals": [
            row(0, "COMPLETE", 0.9, model="start"),
            row(1, "PRUNED", 0.793, **PROPOSAL),
            row(2, "FAIL", None, cause="oom"),
            row(3, "RUNNING", None, model=None, preparation="missed", sampler="random"),
        ],
        **changes,
    }
    return printed(width, print_explanation, document, [{"name": "accuracy"}])


def printed(width: int, function: Any, *arguments: Any) -> str:
    styles = dict.fromkeys(("label", "name", "good", "warn", "bad", "quiet", "best"), "none")
    out = Console(file=io.StringIO(), width=width, theme=Theme(styles))
    function(out, *arguments)
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= width
    return str(text)


@pytest.mark.parametrize("width", [60, 120])
def test_proposals_are_listed_without_history_and_pruned_values_are_marked(width: int) -> None:
    lines = page(width).splitlines()
    listed = [line.split() for line in lines if line.strip()[:2].strip().isdigit()]

    assert [line[0] for line in listed] == ["0", "1", "2", "3"]
    assert listed[0][-1] == "0.9"
    assert listed[1][-3:] == ["pruned", "at", "0.793"]
    assert listed[2][-2:] == ["failed:", "oom"]
    assert listed[3][-1] == "running"


def test_every_term_of_the_table_is_explained_under_it_and_no_other() -> None:
    text = " ".join(page(120).split())

    for term in ("spread over the space:", "its results alone:", "at random, in haste:"):
        assert term in text
    assert "predicted: what was expected" in text
    assert "pruned at: the last value reported before it was stopped" in text
    assert "history alone:" not in text
    assert "history: how far" not in text


@pytest.mark.parametrize("width", [60, 120])
def test_a_trial_says_why_and_whether_its_value_is_final(width: int) -> None:
    document = {
        **row(1, "PRUNED", 0.793, **PROPOSAL),
        "study": "vision/digits",
        "params": {"train.rate": 0.0012},
        "why": "the largest expected improvement by this study's own results",
        "because": reason_texts("accuracy", PROPOSAL, COMPARISON),
        "told": 4,
        "pending": [3],
        "stop": None,
        "nearest": [],
    }
    text = " ".join(printed(width, print_reason, document, [{"name": "accuracy"}], Path()).split())

    assert "exploiting: accuracy 0.947 is expected, better than the best so far" in text
    assert "accuracy 0.947 (0.931 to 0.962)" in text
    assert "accuracy pruned at 0.793 its last report, not a final value" in text
    assert "near it" not in text
