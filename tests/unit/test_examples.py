"""The example studies are valid, read what their spaces have, and train."""

from __future__ import annotations

import importlib
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.needed import needs
from tuner.cli.writing.ready import ready_spaces
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
    spec = load_spec(path).spec
    if spec.command:
        assert (EXAMPLES / spec.command[1]).is_file()
        return
    module, _, function = str(spec.objective).partition(":")
    source = EXAMPLES / Path(*module.split(".")).with_suffix(".py")

    assert f"def {function}(run: Run)" in source.read_text()


def test_the_script_of_the_command_runs_by_hand_and_goes_on_from_its_checkpoint(
    tmp_path: Path,
) -> None:
    script = [sys.executable, EXAMPLES / "train_softmax.py", "--learning-rate=0.5", "--epochs=4"]
    environ = {**os.environ, "TUNER_CHECKPOINT_DIR": str(tmp_path)}

    whole = subprocess.run(script, capture_output=True, check=True)
    half = subprocess.run([*script, "--epochs=2"], env=environ, capture_output=True, check=True)
    rest = subprocess.run(script, env=environ, capture_output=True, check=True)

    lines = [json.loads(line) for line in whole.stdout.splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert lines[-1]["val_accuracy"] > 0.9
    assert half.stdout.splitlines() == whole.stdout.splitlines()[:2]
    assert [json.loads(line)["step"] for line in rest.stdout.splitlines()] == [3, 4]


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


#: Examples of ready spaces, and the one that `make demo` seeds.
TRAINED = [*(name for name, space in ready_spaces().items() if space.example), "mlp-noisy"]


def test_eight_ready_spaces_run_as_they_are() -> None:
    assert len(TRAINED) > 8


@pytest.mark.parametrize("name", TRAINED)
def test_an_example_reads_every_parameter_of_its_space_and_no_other(name: str) -> None:
    spec = load_spec(EXAMPLES / f"{name}.yaml").spec
    module = spec.objective.partition(":")[0].removeprefix("objectives.")
    # The noisy one trains with the code of the other.
    sources = [module, "mlp"] if module == "noisy" else [module]
    code = "".join((EXAMPLES / "objectives" / f"{name}.py").read_text() for name in sources)
    read = set(re.findall(r'params(?:\.get\(|\[)"([\w.]+)"', code))
    if "train.{name}.learning_rate" in code:
        read |= {"train.sgd.learning_rate", "train.lion.learning_rate"}
    # What scikit-learn's boosting cannot do is fixed.
    unused = {"data.row_fraction"} if module == "trees" else set()

    assert {parameter.name for parameter in spec.space.parameters} - unused == read


def test_the_example_without_keras_trains() -> None:
    assert all(0 < value < 3 for value in train("boosting")["boosting"])


@pytest.mark.slow
@pytest.mark.timeout(900)
@needs("keras")
# In two processes, because they take minutes.
@pytest.mark.parametrize("names", [TRAINED[::2], TRAINED[1::2]], ids=["even", "odd"])
def test_every_example_trains(names: list[str]) -> None:
    found = train(*names)

    assert [*found] == names
    for name, values in found.items():
        assert all(map(math.isfinite, values)), name


def train(*names: str) -> dict[str, list[float]]:
    """Return what two configurations of each example give after one epoch."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.training.example_trainings", *names],
        cwd=EXAMPLES.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found
