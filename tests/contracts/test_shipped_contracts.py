"""What packages are held to, Tuner's own samplers and pruners are held to as well.

(`test_contributing.py` runs the same contracts in every `make test`, on the package of the page.)
"""

from __future__ import annotations

import csv
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.toy_packages import installed, write_package
from tuner.errors import SetupError
from tuner.registry import EXPORTERS, IMPORTERS, PRUNERS, READERS, SAMPLERS
from tuner.testing import (
    ExporterContract,
    ImporterContract,
    PrunerContract,
    ReaderContract,
    SamplerContract,
)

HAS_TORCH = importlib.util.find_spec("torch") is not None
FINITE = {
    "train.rate": {"type": "ordinal", "values": [1e-4, 1e-3, 1e-2, 1e-1]},
    "model.units": {"type": "int", "low": 1, "high": 4},
}
OPTIONS: dict[str, dict[str, Any]] = {
    "tpe": {"startup_trials": 4},
    "gp": {"startup_trials": 4},
    "nsga2": {"population": 4},
    "asha": {"min_resource": 1, "reduction_factor": 2},
    "hyperband": {"min_resource": 1, "max_resource": 8, "reduction_factor": 2},
    "median": {"startup_trials": 2, "warmup_steps": 1},
    "patient": {"patience": 2, "min_delta": 0.1},
    "history": {"top": 0.25, "confidence": 0.95},
}


@pytest.mark.slow
class TestBayesian(SamplerContract):
    name = "bayesian"


@pytest.mark.slow
class TestTpe(SamplerContract):
    name = "tpe"
    options = OPTIONS["tpe"]


@pytest.mark.slow
class TestRandom(SamplerContract):
    name = "random"


@pytest.mark.slow
class TestGrid(SamplerContract):
    name = "grid"
    space = FINITE


@pytest.mark.slow
class TestQmc(SamplerContract):
    name = "qmc"


@pytest.mark.slow
class TestNsga2(SamplerContract):
    name = "nsga2"
    options = OPTIONS["nsga2"]


@pytest.mark.skipif(not HAS_TORCH, reason="sampler gp needs torch, which no lock holds (500 MB)")
class TestGp(SamplerContract):
    name = "gp"
    options = OPTIONS["gp"]


@pytest.mark.slow
class TestAsha(PrunerContract):
    name = "asha"
    options = OPTIONS["asha"]


@pytest.mark.slow
class TestHyperband(PrunerContract):
    name = "hyperband"
    options = OPTIONS["hyperband"]


@pytest.mark.slow
class TestMedian(PrunerContract):
    name = "median"
    options = OPTIONS["median"]


@pytest.mark.slow
class TestPatient(PrunerContract):
    name = "patient"
    options = OPTIONS["patient"]


@pytest.mark.slow
class TestHistory(PrunerContract):
    name = "history"
    options = OPTIONS["history"]


@pytest.mark.slow
class TestNone(PrunerContract):
    name = "none"


class TestCsv(ImporterContract):
    name = "csv"
    runs = 3

    def write(self, folder: Path) -> Path:
        path = folder / "optuna.csv"
        rows = [f"{n},{n / 4},{n / 8},COMPLETE" for n in range(self.runs)]
        path.write_text("\n".join(["number,value,params_x,state", *rows, ""]))
        return path


class TestCsvExport(ExporterContract):
    name = "csv"

    def count(self, path: Path) -> int:
        with path.open(encoding="utf-8", newline="") as file:
            return len(list(csv.DictReader(file)))


class TestJsonExport(ExporterContract):
    name = "json"

    def count(self, path: Path) -> int:
        return len(json.loads(path.read_text())["trials"])


class TestMlflowExport(ExporterContract):
    name = "mlflow"

    def count(self, path: Path) -> int:
        return len(list(path.glob("*/*/meta.yaml")))


class TestWandbExport(ExporterContract):
    name = "wandb"

    def count(self, path: Path) -> int:
        return len([json.loads(line) for line in path.read_text().splitlines()])


class TestWandbSweep(ReaderContract):
    name = "wandb"
    parameters = ("rate", "units")

    def write(self, folder: Path) -> Path:
        path = folder / "sweep.yaml"
        path.write_text(
            "method: random\nparameters:\n  rate: {min: 0.1, max: 0.9}\n  units: {values: [1, 2]}\n"
        )
        return path


class TestKatibExperiment(ReaderContract):
    name = "katib"
    parameters = ("rate",)

    def write(self, folder: Path) -> Path:
        rate = {"name": "rate", "parameterType": "double"}
        spec = {"parameters": [{**rate, "feasibleSpace": {"min": "0.1", "max": "0.9"}}]}
        kind = {"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment"}
        path = folder / "katib.yaml"
        path.write_text(json.dumps({**kind, "metadata": {"name": "e"}, "spec": spec}))
        return path


class TestKerasTunerProject(ReaderContract):
    name = "kerastuner"
    parameters = ("units",)

    def write(self, folder: Path) -> Path:
        config = {"name": "units", "default": 1, "conditions": []}
        config |= {"min_value": 1, "max_value": 9, "step": 1, "sampling": None}
        space = [{"class_name": "Int", "config": config}]
        path = folder / "oracle.json"
        path.write_text(json.dumps({"hyperparameters": {"space": space, "values": {"units": 1}}}))
        return path


class TestRayTuneSpace(ReaderContract):
    name = "raytune"
    parameters = ("rate",)

    def write(self, folder: Path) -> Path:
        domain = {"type": "Float", "lower": 1e-5, "upper": 0.1, "sampler": {"type": "_LogUniform"}}
        path = folder / "space.json"
        path.write_text(json.dumps({"rate": domain}))
        return path


def test_everything_in_a_table_is_held_to_its_contract() -> None:
    held = (
        (SamplerContract, SAMPLERS),
        (PrunerContract, PRUNERS),
        (ImporterContract, IMPORTERS),
        (ExporterContract, EXPORTERS),
        (ReaderContract, READERS),
    )
    for contract, registry in held:
        assert {one.name for one in contract.__subclasses__()} >= {*registry.built_in}


BROKEN = """
import random
import optuna

class Forgetful(optuna.samplers.RandomSampler):
    def sample_independent(self, study, trial, name, distribution):
        value = super().sample_independent(study, trial, name, distribution)
        kind = optuna.distributions.FloatDistribution
        return random.uniform(1e-3, 0.9) if isinstance(distribution, kind) else value

class Outside(optuna.samplers.RandomSampler):
    def sample_independent(self, study, trial, name, distribution):
        value = super().sample_independent(study, trial, name, distribution)
        return 99 if name == "model.layers" else value

class Counting(optuna.pruners.BasePruner):
    def __init__(self):
        self.asked = 0

    def prune(self, study, trial):
        self.asked += 1
        return self.asked % 10 == 0

class Fragile(optuna.pruners.BasePruner):
    def prune(self, study, trial):
        return 1 / (len(trial.intermediate_values) - 1) > 2

def forgetful(context):
    return Forgetful(context.seed)

def outside(context):
    return Outside(context.seed)

def counting(options):
    return Counting()

def fragile(options):
    return Fragile()
"""
ENTRIES = """
[tuner.samplers]
forgetful = broken_toys:forgetful
outside = broken_toys:outside
[tuner.pruners]
counting = broken_toys:counting
fragile = broken_toys:fragile
"""


@pytest.fixture
def broken_toys(tmp_path: Path) -> Iterator[None]:
    write_package(tmp_path, "broken-toys", "1", {"broken_toys": BROKEN}, ENTRIES)
    with installed(tmp_path):
        yield


@pytest.mark.usefixtures("broken_toys")
@pytest.mark.parametrize(
    ("contract", "name", "test"),
    [
        (
            SamplerContract,
            "forgetful",
            "test_every_proposal_comes_out_again_after_failures_and_a_restart",
        ),
        (SamplerContract, "outside", "test_what_it_proposes_is_of_the_space"),
        (PrunerContract, "counting", "test_a_restart_changes_no_decision"),
        (PrunerContract, "fragile", "test_no_report_breaks_it"),
    ],
)
def test_a_contract_refuses_what_breaks_it(
    contract: type[SamplerContract | PrunerContract], name: str, test: str
) -> None:
    held = type("Held", (contract,), {"name": name})()

    with pytest.raises((AssertionError, SetupError)):
        getattr(held, test)()
