"""Study specs: from a file, from a request, and back to JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tuner.errors import SpecError
from tuner.spec import StudySpec, load_spec, parse_spec
from tuner.spec.history import AUTO

DIGITS = """\
project: vision
study: digits-cnn
objective: objectives.digits:train
metric: {name: val_accuracy, goal: maximize}
constraints: []
search_space:
  train.learning_rate: {type: float, low: 1e-5, high: 1e-1, log: true}
  train.batch_size:    {type: ordinal, values: [16, 32, 64, 128]}
  train.optimizer:     {type: categorical, values: [adam, sgd, no]}
  train.momentum:      {type: float, low: 0.0, high: 0.99, when: {train.optimizer: [sgd]}}
  model.layers:        {type: int, low: 1, high: 4}
  model.batch_norm:    {type: bool}
  model.activation:    {type: fixed, value: relu}
forbid:
  - {train.optimizer: sgd, model.layers: 4}
start_with:
  - {train.learning_rate: 0.001, train.optimizer: adam}
sampler: {name: tpe, seed: 7}
pruner: {name: asha}
history: auto
budget: {trials: 50, hours: 2}
parallel: 4
trial: {timeout: 30m, retries: 2, gpus: 0, reproducibility: seeded, keep: 3}
data: {name: digits, paths: []}
"""

MINIMAL: dict[str, Any] = {
    "project": "vision",
    "study": "digits",
    "objective": "objectives:train",
    "metric": {"name": "loss", "goal": "minimize"},
    "search_space": {"x": {"type": "int", "low": 1, "high": 4}},
    "budget": {"trials": 3},
}


def write(folder: Path, text: str, name: str = "digits.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def refusal(data: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse_spec(data)
    return str(caught.value).splitlines()


def test_the_spec_of_the_design_is_read(tmp_path: Path):
    loaded = load_spec(write(tmp_path, DIGITS))
    spec = loaded.spec

    assert spec.name == "vision/digits-cnn"
    assert loaded.folder == tmp_path
    assert loaded.warnings == []
    assert spec.space["train.learning_rate"].low == 1e-5
    assert spec.space["train.optimizer"].values == ("adam", "sgd", "no")
    assert spec.space.forbid == ({"train.optimizer": "sgd", "model.layers": 4},)
    assert spec.start_with == ({"train.learning_rate": 0.001, "train.optimizer": "adam"},)
    assert (spec.trial.timeout, spec.budget.hours, spec.sampler.seed) == (1800.0, 2.0, 7)


def test_what_is_left_out_takes_its_default():
    spec = parse_spec(MINIMAL)

    assert (spec.sampler.name, spec.sampler.seed, spec.pruner.name) == ("bayesian", None, "none")
    assert (spec.history, spec.parallel, spec.image, spec.priority) == (AUTO, None, None, 0)
    assert (spec.trial.timeout, spec.trial.retries, spec.trial.gpus) == (None, 2, 0)
    assert (spec.trial.reproducibility, spec.start_with) == ("seeded", ())
    assert spec.to_json()["constraints"] == []


def test_an_empty_optional_key_is_as_if_left_out():
    empty = dict.fromkeys(
        (
            "sampler",
            "pruner",
            "trial",
            "data",
            "forbid",
            "start_with",
            "constraints",
            "image",
            "history",
        )
    )

    assert parse_spec({**MINIMAL, **empty}) == parse_spec(MINIMAL)


def test_a_word_names_a_sampler_or_pruner():
    spec = parse_spec({**MINIMAL, "sampler": "random", "pruner": "median"})

    assert (spec.sampler.name, spec.pruner.name) == ("random", "median")


def test_options_of_sampler_and_pruner_are_kept():
    spec = parse_spec(
        {
            **MINIMAL,
            "sampler": {"name": "nsga2", "population": 20},
            "pruner": {
                "name": "hyperband",
                "min_resource": 1,
                "max_resource": 9,
                "reduction_factor": 3,
            },
        }
    )

    assert spec.sampler.options == {"population": 20}
    assert spec.pruner.options == {"min_resource": 1, "max_resource": 9, "reduction_factor": 3}


@pytest.mark.parametrize("sampler", ["bayesian", "tpe", "random", "grid", "qmc", "nsga2"])
def test_each_sampler_takes_several_metrics(sampler: str):
    metrics = [{"name": "loss", "goal": "minimize"}, {"name": "size", "goal": "minimize"}]

    spec = parse_spec({**MINIMAL, "metric": metrics, "sampler": sampler})

    assert [metric.name for metric in spec.metrics] == ["loss", "size"]


def test_gp_without_torch_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    assert refusal({**MINIMAL, "sampler": "gp"}) == [
        'request: sampler.name: "gp": needs PyTorch, which is not installed here: '
        f"uv pip install --python {sys.executable} torch, or take bayesian"
    ]


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("1h30m", 5400),
        ("2d", 172800),
        ("1.5h", 5400),
        (45, 45),
        (0.5, 0.5),
    ],
)
def test_a_timeout_is_a_duration(given: object, seconds: float):
    assert parse_spec({**MINIMAL, "trial": {"timeout": given}}).trial.timeout == seconds


@pytest.mark.parametrize(
    "given", ["", "30", "m", "30 m", "-5m", "1e3s", "1001d", "5w", 0, -1, True, [], "9" * 400 + "s"]
)
def test_what_is_no_duration_is_refused(given: object):
    (line,) = refusal({**MINIMAL, "trial": {"timeout": given}})

    assert line.startswith("request: trial.timeout: ")
    assert "a duration above 0" in line


def test_json_gives_the_same_spec_back(tmp_path: Path):
    spec = load_spec(write(tmp_path, DIGITS)).spec

    stored = json.loads(json.dumps(spec.to_json(), allow_nan=False))

    assert parse_spec(stored) == spec
    assert parse_spec(stored).to_json() == spec.to_json()


def test_json_whose_keys_were_sorted_is_the_same_spec_but_for_the_order(tmp_path: Path):
    spec = load_spec(write(tmp_path, DIGITS)).spec

    stored = json.loads(json.dumps(spec.to_json(), sort_keys=True))

    assert parse_spec(stored).to_json() == spec.to_json()


def test_a_spec_cannot_be_changed():
    spec = parse_spec(MINIMAL)

    with pytest.raises(ValidationError):
        spec.parallel = 3


def test_a_drawn_seed_is_kept_in_the_spec():
    assert parse_spec(parse_spec(MINIMAL).with_seed(11).to_json()).sampler.seed == 11


def test_a_request_cannot_name_files():
    line = "the definitions themselves: files are read where the spec is submitted"

    assert refusal({**MINIMAL, "search_space": "/etc/passwd"}) == [
        f'request: search_space: "/etc/passwd": {line}'
    ]
    assert refusal({**MINIMAL, "search_space": {"include": ["a.yaml"]}}) == [
        f'request: search_space: {{"include": ["a.yaml"]}}: {line}'
    ]


@pytest.mark.parametrize(
    "data", [None, [], "spec", 3, {}, {"search_space": []}, {"budget": 1, "metric": 2}]
)
def test_a_request_that_is_no_spec_is_refused(data: Any):
    assert all(line.startswith("request: ") for line in refusal(data))


def test_numbers_that_json_cannot_hold_are_refused():
    data = {**MINIMAL, "budget": {"trials": 3, "target": float("nan")}, "parallel": float("inf")}

    assert refusal(data) == [
        "request: parallel: Infinity: a whole number from 1 to 10000",
        "request: budget.target: NaN: a finite number: the objective that is good enough",
    ]


def test_a_lone_surrogate_in_a_choice_is_refused():
    space = {"x": {"type": "categorical", "values": ["a", "\ud800"]}}

    (line,) = refusal({**MINIMAL, "search_space": space})

    assert line.startswith('request: search_space.x.values[1]: "\\ud800": ')


def test_many_problems_are_counted_not_listed():
    space = {f"x{i}": {"type": "boo"} for i in range(60)}

    lines = refusal({**MINIMAL, "search_space": space})

    assert len(lines) == 21
    assert lines[-1] == "… and 40 more problems"


def test_more_parameters_than_the_limit_are_refused():
    space = {f"x{i}": {"type": "bool"} for i in range(501)}

    assert refusal({**MINIMAL, "search_space": space}) == [
        'request: search_space: "501 parameters": at most 500'
    ]


def test_a_start_may_name_fixed_parents_and_children():
    space = {
        "kind": {"type": "fixed", "value": "cnn"},
        "depth": {"type": "int", "low": 1, "high": 3, "when": {"kind": ["cnn"]}},
    }

    spec = parse_spec({**MINIMAL, "search_space": space, "start_with": [{"depth": 2.0}]})

    assert spec.start_with == ({"depth": 2},)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.sampled_from([*parse_spec(MINIMAL).to_json(), "hypermodel", "unknown"]), json_values)
def test_any_value_under_any_key_gives_a_spec_or_a_message(key: str, value: Any):
    try:
        spec = parse_spec({**MINIMAL, key: value})
    except SpecError:
        # Refused in our own words; any other exception fails the test.
        return

    assert isinstance(spec, StudySpec)
    assert parse_spec(json.loads(json.dumps(spec.to_json(), allow_nan=False))) == spec


definition_keys = st.sampled_from(["type", "low", "high", "step", "log", "values", "value", "when"])
kinds = st.sampled_from(["float", "int", "categorical", "ordinal", "bool", "fixed"])


@given(kinds, st.dictionaries(definition_keys, json_values, max_size=4))
def test_any_definition_gives_a_parameter_or_a_message(kind: str, rest: dict[str, Any]):
    try:
        spec = parse_spec({**MINIMAL, "search_space": {"x": {**rest, "type": kind}}})
    except SpecError:
        return

    assert parse_spec(json.loads(json.dumps(spec.to_json(), allow_nan=False))) == spec


def test_reading_specs_needs_no_optuna_and_no_tensorboard():
    code = (
        "import sys, tuner.spec; "
        "print([m for m in ('optuna', 'tensorboard', 'numpy', 'sqlalchemy') if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
