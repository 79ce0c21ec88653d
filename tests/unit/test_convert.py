"""Searches of other tools become specs that parse, and say what has no counterpart."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.support.converted import lost, spec_of
from tuner.cli.app import app
from tuner.convert import Converted, convert
from tuner.errors import NotFoundError, SpecError
from tuner.space.value import show

DATA = Path(__file__).parent.parent / "data"

SAMPLES = DATA / "convert"

PROJECT = DATA / "history" / "kerastuner" / "project"


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Converted]:
    def write(text: str) -> Converted:
        path = tmp_path / "file.yaml"
        path.write_text(text)
        return convert(str(path))

    return write


def test_a_sweep_becomes_the_spec_that_a_person_would_write() -> None:
    converted = convert(str(SAMPLES / "sweep.yaml"))
    spec = spec_of(converted)

    assert spec.name == "vision/cnn-sweep-1"
    assert spec.command[:3] == ("python", "train.py", "--learning-rate={learning_rate}")
    assert (spec.metrics[0].name, spec.metrics[0].goal) == ("val_loss", "minimize")
    assert (spec.budget.trials, spec.budget.target) == (40, 0.1)
    assert (spec.sampler.name, spec.pruner.name) == ("bayesian", "asha")
    assert spec.pruner.options == {"min_resource": 3, "reduction_factor": 3}
    space = spec.space.to_json()["parameters"]
    assert space["learning_rate"] == {"type": "float", "low": 1e-5, "high": 0.1, "log": True}
    assert space["warmup"] == {"type": "float", "low": 1e-4, "high": 0.1, "log": True}
    assert space["batch_size"] == {"type": "int", "low": 32, "high": 256, "step": 8}
    assert space["layers"] == {"type": "int", "low": 1, "high": 5}
    assert space["optimizer.name"] == {"type": "categorical", "values": ["adam", "sgd", "none"]}
    assert space["units"] == {"type": "ordinal", "values": [16, 32, 64]}
    assert space["bn"] == {"type": "bool"}
    # In the order of our examples, the parameters below one another.
    assert "\n  layers:             {type: int, low: 1, high: 5}\n" in converted.text


def test_whatever_a_sweep_has_and_a_spec_has_not_is_said_beside_it() -> None:
    converted = convert(str(SAMPLES / "sweep.yaml"))

    assert lost(converted, "") == ['entity: "acme"']
    assert lost(converted, "metric") == ['impute: "best"']
    assert lost(converted, "pruner") == ["s: 2", "strict: false; ASHA is strict"]
    assert lost(converted, "search_space.batch_size") == [
        "a log scale together with a step of 8; without the step, log: true may stand"
    ]
    assert lost(converted, "search_space.act")[0].startswith("probabilities: [0.5, 0.3, 0.2]")
    assert "normal distribution" in lost(converted, "search_space.optimizer.momentum")[0]
    # In a comment above what it is about, however it was wrapped.
    said = converted.text.replace("\n  #  ", "").replace("\n#  ", "")
    for text in lost(converted):
        assert f"# no counterpart: {text}" in said, text


@pytest.mark.parametrize(
    ("method", "sampler", "trials"),
    [("grid", "grid", 6), ("random", "random", 50), ("bayes", "bayesian", 50)],
)
def test_a_sweeps_method_is_a_sampler_and_a_grid_has_as_many_trials_as_it_has(
    written: Callable[[str], Converted], method: str, sampler: str, trials: int
) -> None:
    spec = spec_of(
        written(f"method: {method}\nparameters: {{a: {{values: [x, y]}}, b: {{min: 1, max: 3}}}}")
    )

    assert (spec.sampler.name, spec.budget.trials) == (sampler, trials)


def test_a_grid_over_a_range_without_a_step_is_random_search_and_says_why(
    written: Callable[[str], Converted],
) -> None:
    converted = written("method: grid\nparameters: {a: {min: 0.0, max: 1.0}}")

    assert spec_of(converted).sampler.name == "random"
    assert lost(converted, "sampler") == ['grid search: without a step in "a" it has no end']


def test_an_optimiser_that_we_lack_is_named_in_a_comment_and_on_the_screen(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep.yaml"
    sweep.write_text(
        "method: custom\nscheduler: {engine: ax, source: my.py}\nparameters: {a: {min: 1, max: 3}}"
    )
    done = CliRunner().invoke(app, ["convert", str(sweep)])

    assert '# no counterpart: scheduler.engine: "ax"' in done.stdout
    assert 'no counterpart  sampler: scheduler.source: "my.py"' in " ".join(done.stderr.split("\n"))


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("{value: 3}", {"type": "fixed", "value": 3}),
        ("{min: 1, max: 4}", {"type": "int", "low": 1, "high": 4}),
        ("{min: 1, max: 4.0}", {"type": "float", "low": 1.0, "high": 4.0}),
        ("{distribution: q_uniform, min: 0, max: 1, q: 0.25}",
         {"type": "float", "low": 0.0, "high": 1.0, "step": 0.25}),
        ("{distribution: q_uniform, min: 3, max: 20, q: 5}",
         {"type": "int", "low": 5, "high": 20, "step": 5}),
        ("{distribution: q_log_uniform_values, min: 1, max: 64}",
         {"type": "int", "low": 1, "high": 64, "log": True}),
        ("{distribution: inv_log_uniform_values, min: 0.1, max: 10}",
         {"type": "float", "low": 0.1, "high": 10.0, "log": True}),
        ("{distribution: inv_log_uniform, min: -2.302585, max: 2.302585}",
         {"type": "float", "low": 0.1, "high": 10.0, "log": True}),
        ("{distribution: log_normal, mu: 0, sigma: 0}", {"type": "fixed", "value": 1.0}),
        ("{distribution: beta}", {"type": "float", "low": 0.0, "high": 1.0}),
        ("{distribution: constant, value: relu}", {"type": "fixed", "value": "relu"}),
    ],
)  # fmt: skip
def test_each_distribution_of_a_sweep_has_its_definition(
    written: Callable[[str], Converted], definition: str, expected: dict[str, Any]
) -> None:
    converted = written(f"method: random\nparameters: {{x: {definition}}}")

    assert spec_of(converted).space.to_json()["parameters"] == {"x": expected}
    assert lost(converted, "search_space.x") == []


def test_an_experiment_of_katib_becomes_a_spec_with_its_command() -> None:
    converted = convert(str(SAMPLES / "katib.yaml"))
    spec = spec_of(converted)

    assert spec.name == "kubeflow/random"
    assert spec.command[-3:] == ("--lr={lr}", "--momentum={momentum}", "--name={trial}")
    assert (spec.budget.trials, spec.budget.target, spec.parallel) == (12, 0.001, 3)
    assert (spec.sampler.name, spec.sampler.seed) == ("bayesian", 10)
    assert spec.pruner.options == {"startup_trials": 1, "warmup_steps": 2}
    assert spec.trial.gpus == 1
    assert spec.space.to_json()["parameters"] == {
        "lr": {"type": "float", "low": 0.01, "high": 0.05, "log": True},
        "momentum": {"type": "float", "low": 0.5, "high": 0.9, "step": 0.1},
        "num_layers": {"type": "int", "low": 1, "high": 5},
        "optimizer": {"type": "categorical", "values": ["sgd", "adam", "ftrl"]},
        "batch": {"type": "ordinal", "values": [16, 32, 64]},
    }
    assert {note.partition(":")[0] for note in lost(converted)} == {
        *("trialTemplate.retain", "resumePolicy", "metricStrategies", "algorithmName"),
        *("restart_strategy", "maxFailedTrialCount", "docker.io/kubeflowkatib/pytorch-mnist-cpu"),
        *("resources.limits.memory", "resources.limits.cpu"),
    }


def test_a_step_of_katib_counts_in_decimals_and_one_that_is_too_wide_is_said(
    written: Callable[[str], Converted],
) -> None:
    parameters = "\n".join(
        f"    - {{name: {name}, parameterType: double, feasibleSpace: {{{space}}}}}"
        for name, space in (
            ("near", "min: '-4.99', max: '-4.988', step: '0.002'"),
            ("wide", "min: '0', max: '1', step: '2'"),
        )
    )
    converted = written(
        "apiVersion: kubeflow.org/v1beta1\nkind: Experiment\nspec:\n  parameters:\n" + parameters
    )

    assert spec_of(converted).space.to_json()["parameters"] == {
        "near": {"type": "float", "low": -4.99, "high": -4.988, "step": 0.002},
        "wide": {"type": "float", "low": 0.0, "high": 1.0},
    }
    assert lost(converted, "search_space.wide") == ["a step of 2, which is wider than the range"]


def test_a_space_of_ray_tune_as_ray_itself_wrote_it_becomes_a_spec() -> None:
    converted = convert(str(SAMPLES / "ray_space.json"))

    assert spec_of(converted).space.to_json()["parameters"] == {
        "lr": {"type": "float", "low": 1e-5, "high": 0.1, "log": True},
        "momentum": {"type": "float", "low": 0.1, "high": 0.9},
        "drop": {"type": "float", "low": 0.0, "high": 1.0, "step": 0.1},
        "decay": {"type": "float", "low": 1e-4, "high": 0.1, "step": 5e-5},
        "bias": {"type": "float", "low": 4.0, "high": 16.0},
        "offset": {"type": "float", "low": 4.0, "high": 16.0, "step": 0.2},
        # Ray's upper end is not one of the values, but with a step.
        "layers": {"type": "int", "low": 1, "high": 4},
        "units": {"type": "int", "low": 8, "high": 128, "step": 8},
        "filters": {"type": "int", "low": 1, "high": 999, "log": True},
        "width": {"type": "int", "low": 8, "high": 1024, "step": 8},
        "optimizer": {"type": "categorical", "values": ["adam", "sgd", "none"]},
        "batch_size": {"type": "ordinal", "values": [32, 64, 128]},
        "epochs": {"type": "fixed", "value": 10},
        "model.activation": {"type": "categorical", "values": ["relu", "tanh"]},
        "model.shape": {"type": "fixed", "value": "[1, 2]"},
    }
    assert lost(converted, "search_space") == ["late: a function, which is left out"]
    assert lost(converted, "search_space.batch_size") == [
        "grid_search, every value of which is tried"
    ]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    import optuna

    def train(trial: optuna.Trial) -> float:
        trial.suggest_float("train/rate", 1e-5, 1e-1, log=True)
        for index in range(trial.suggest_int("layers", 1, 4)):
            trial.suggest_int(f"units_{index}", 8, 64, step=8)
        if trial.suggest_categorical("optimizer", ["adam", "sgd", None]) == "sgd":
            trial.suggest_float("momentum", 0, 0.9, step=0.1)
        if trial.number % 3:
            trial.suggest_float("odd", 0, 1)
        return 1.0

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.RandomSampler(seed=1)
    study = optuna.create_study(
        storage=f"sqlite:///{tmp_path}/study.db", study_name="My Study", sampler=sampler
    )
    study.set_metric_names(["val_loss"])
    study.optimize(train, n_trials=30)
    return tmp_path / "study.db"


def test_a_study_of_optuna_becomes_a_spec_with_the_conditions_that_its_trials_tell(
    study: Path,
) -> None:
    converted = convert(str(study))
    spec = spec_of(converted)
    space = spec.space.to_json()["parameters"]

    assert spec.name == "imported/my-study"
    assert (spec.metrics[0].name, spec.metrics[0].goal) == ("val_loss", "minimize")
    assert space["train.rate"] == {"type": "float", "low": 1e-5, "high": 0.1, "log": True}
    assert space["units_0"] == {"type": "int", "low": 8, "high": 64, "step": 8}
    assert space["units_2"]["when"] == {"layers": [3, 4]}
    assert space["momentum"]["when"] == {"optimizer": ["sgd"]}
    assert lost(converted, "search_space.odd") == [
        "20 of 30 trials have it, and no choice of another tells when"
    ]


def test_one_of_several_studies_is_chosen_by_its_name(study: Path) -> None:
    import optuna

    optuna.create_study(storage=f"sqlite:///{study}", study_name="empty")

    with pytest.raises(SpecError, match=r'holds 2 studies; choose one .*"My Study", "empty"'):
        convert(str(study))
    with pytest.raises(NotFoundError, match="has no study 'other'"):
        convert(f"sqlite:///{study}#other")
    with pytest.raises(SpecError, match="no trial of it has a parameter yet"):
        convert(f"sqlite:///{study}#empty")
    assert spec_of(convert(f"sqlite:///{study}#My Study")).study == "my-study"


@pytest.mark.parametrize("name", ["", "oracle.json"])
def test_a_project_of_kerastuner_becomes_a_spec_with_the_metric_of_its_trials(name: str) -> None:
    converted = convert(str(PROJECT / name))
    spec = spec_of(converted)

    assert spec.name == "imported/project"
    assert spec.hypermodel == "model:build"
    assert (spec.metrics[0].name, spec.metrics[0].goal) == ("val_loss", "minimize")
    assert spec.space.to_json()["parameters"]["momentum"] == {
        "type": "float", "low": 0.0, "high": 0.9, "step": 0.3, "when": {"optimizer": ["sgd"]},
    }  # fmt: skip
    assert lost(converted) == []


def test_what_the_user_has_to_write_is_marked_in_the_spec_and_said(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    done = CliRunner().invoke(app, ["convert", str(SAMPLES / "ray_space.json"), "-o", str(spec)])

    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    assert "fill in         objective: module:function" in done.stderr
    assert f"next: tuner check {spec}" in done.stderr.replace("\n", "")
    text = spec.read_text()
    for key in ("objective", "metric", "budget"):
        above, _, line = text.partition(f"\n{key}: ")
        assert "# FILL IN" in line.split("\n")[0] or "# FILL IN" in above.split("\n")[-1], key


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("mine")

    done = CliRunner().invoke(app, ["convert", str(SAMPLES / "katib.yaml"), "-o", str(spec)])

    assert isinstance(done.exception, SpecError)
    assert str(done.exception) == f"{spec} already exists; name another file with -o"
    assert spec.read_text() == "mine"


def test_the_kind_of_a_file_is_told_by_what_is_in_it(tmp_path: Path) -> None:
    for sample, tool in (("katib.yaml", "Katib"), ("sweep.yaml", "W&B"), ("ray_space.json", "Ray")):
        other = tmp_path / "anything"
        shutil.copy(SAMPLES / sample, other)

        assert tool in convert(str(other)).tool


def test_names_that_would_be_one_get_a_number_and_each_says_what_it_was(
    written: Callable[[str], Converted],
) -> None:
    converted = written(
        "method: random\nparameters: {a-b: {min: 1, max: 2}, a_b: {min: 1, max: 3}, 2x: {value: 1}}"
    )

    assert spec_of(converted).space.names == ("a_b", "a_b_2", "_2x")
    told = {n.place: n.text for n in converted.notes if n.place.startswith("search_space.")}
    assert told == {
        "search_space.a_b": "a-b there",
        "search_space.a_b_2": "a_b there",
        "search_space._2x": "2x there",
    }


@pytest.mark.parametrize("text", ["no", "1e-5", "a: b", "{x}", "#x", "ä ö", 'q"\\', "-", "null"])
def test_a_text_is_written_so_that_it_is_read_as_one(
    written: Callable[[str], Converted], text: str
) -> None:
    converted = written(f"method: random\nparameters: {{x: {{value: {show(text)}}}}}")

    assert spec_of(converted).space["x"].value == text
