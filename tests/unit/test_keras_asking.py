"""What an oracle asks of the service, without KerasTuner and without a server."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from typing import Any

import pytest

import tuner.keras
from tuner.errors import SetupError, SpecError
from tuner.keras.release import require_kerastuner
from tuner.keras.service.asking import Wishes, make_spec, metric_name
from tuner.keras.service.link import settings_of
from tuner.spec import parse_spec


@dataclass
class Objective:
    name: str = "val_loss"
    direction: str = "min"


def spec(objective: Objective | None = None, **options: Any) -> dict[str, Any]:
    made = {"search_space": {}, "max_trials": 5, "seed": None}
    given = {key: options.pop(key) for key in list(options) if key in made}
    wishes = Wishes(**{"study": "vision/cnn", **options})
    return make_spec(wishes, objective or Objective(), **{**made, **given})


def test_the_spec_is_external_and_has_the_defaults_of_a_spec() -> None:
    parsed = parse_spec(spec())

    assert parsed.is_external
    assert (parsed.name, parsed.budget.trials) == ("vision/cnn", 5)
    assert [(m.name, m.goal) for m in parsed.metrics] == [("val_loss", "minimize")]
    assert not parsed.sampler.is_named
    assert parsed.pruner.name == "none"


def test_sections_are_names_or_mappings_as_in_a_spec() -> None:
    parsed = parse_spec(
        spec(
            Objective("val_accuracy", "max"),
            sampler={"name": "tpe", "startup_trials": 7},
            pruner="asha",
            history=["vision/mlp"],
            budget={"hours": 2},
            parallel=3,
            seed=11,
        )
    )

    assert parsed.metrics[0].goal == "maximize"
    assert parsed.sampler.options == {"startup_trials": 7}
    assert (parsed.sampler.seed, parsed.pruner.name) == (11, "asha")
    assert (parsed.budget.hours, parsed.budget.trials, parsed.parallel) == (2, 5, 3)


def test_what_limits_a_search_may_be_something_else_than_trials() -> None:
    assert spec(max_trials=None, budget={"target": 0.1})["budget"] == {"target": 0.1}
    with pytest.raises(SpecError, match="max_trials: missing"):
        spec(max_trials=None)


@pytest.mark.parametrize("study", ["cnn", "vision/", "Vision/cnn", "a/b/c", "", None, 3])
def test_a_study_has_a_project_and_a_name(study: Any) -> None:
    with pytest.raises(SpecError, match="project/study, as vision/cnn"):
        Wishes(study=study)


@pytest.mark.parametrize(
    ("objective", "name"),
    [
        ("val_accuracy", "val_accuracy"),
        ("my loss", "my_loss"),
        ("objective", "objective_value"),
        ("2nd", "_2nd"),
        ("", "value"),
    ],
)
def test_an_objective_has_a_name_that_a_metric_may_have(objective: str, name: str) -> None:
    assert metric_name(objective) == name
    assert parse_spec(spec(Objective(objective))).metrics[0].name == name


def test_the_longest_name_of_an_objective_is_cut() -> None:
    assert parse_spec(spec(Objective("x" * 300))).metrics[0].name == "x" * 60


def test_a_server_elsewhere_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SetupError, match=r"tuner create NAME --scope submit|needs a token"):
        settings_of("https://tuner.example", None)
    monkeypatch.setenv("TUNER_TOKEN_FILE", "/nowhere")

    given = settings_of("https://tuner.example", "secret")

    assert (given.api_url, given.token) == ("https://tuner.example", "secret")
    assert "secret" not in repr(given)


def test_a_kerastuner_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: "1.3.5")

    with pytest.raises(SetupError, match=r"KerasTuner 1\.3\.5 is too old .*keras-tuner>=1\.4\.7"):
        require_kerastuner()
    with pytest.raises(SetupError, match="too old"):
        _ = tuner.keras.ServiceOracle


def test_a_missing_kerastuner_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)

    with pytest.raises(SetupError, match=r"not installed; get it with: .*keras-tuner>=1\.4\.7"):
        _ = tuner.keras.ServiceOracle


def test_the_package_is_there_without_being_asked_for_kerastuner() -> None:
    assert "ServiceOracle" in dir(tuner.keras)
    with pytest.raises(AttributeError, match="Oracle2"):
        _ = tuner.keras.Oracle2
