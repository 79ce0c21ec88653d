"""The example studies are valid, and the one without TensorFlow runs by hand."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tuner.spec import load_spec
from workers import Run

EXAMPLES = Path(__file__).parents[2] / "search_spaces" / "examples"
SPECS = sorted(EXAMPLES.glob("*.yaml"))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_example_is_a_valid_spec_without_a_warning(path: Path) -> None:
    loaded = load_spec(path)

    assert loaded.warnings == []
    assert loaded.spec.name == f"examples/{path.stem}"


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_objective_of_every_example_lies_beside_it(path: Path) -> None:
    module, _, function = load_spec(path).spec.objective.partition(":")
    source = EXAMPLES / Path(*module.split(".")).with_suffix(".py")

    assert f"def {function}(run: Run)" in source.read_text()


def test_the_digits_study_is_what_make_run_promises() -> None:
    spec = load_spec(EXAMPLES / "digits.yaml").spec

    assert spec.budget.trials >= 20
    assert (spec.parallel, spec.sampler.name, spec.pruner.name) == (2, "bayesian", "asha")


def test_the_quadratic_example_gets_better_with_a_sensible_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    descend = importlib.import_module("objectives.quadratic").descend
    start = {"start.x": 4.0, "start.y": 4.0, "descent.method": "plain"}

    slow = descend(Run.local({**start, "descent.rate": 0.001}))
    quick = descend(Run.local({**start, "descent.rate": 0.4}))

    assert quick < 0.001 < slow
