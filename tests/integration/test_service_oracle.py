"""KerasTuner with our oracle: real searches on a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import MakeService
from tests.support.needed import needs
from tests.support.patience import read_to_end
from tests.support.service_process import ROOT, TOKEN, ServiceProcess
from tuner.roots import Place
from tuner.tfevents import read_run

pytestmark = [pytest.mark.slow, needs("tensorflow", "keras_tuner")]

CASES = (
    *("plain", "retried", "failing", "averaged", "several", "reported", "interrupted", "resumed"),
    *("unknown", "untuned", "mistaken", "trained"),
)
Found = dict[str, Any]


@pytest.fixture(scope="module")
def service(make_service: MakeService) -> Iterator[ServiceProcess]:
    with make_service("sqlite") as service:
        yield service


@pytest.fixture(scope="module")
def found(service: ServiceProcess, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What each case of `oracle_trials` has seen."""
    folder = tmp_path_factory.mktemp("oracle")
    process = start(service, folder, *CASES)
    said, complained = read_to_end(process, 300)
    assert process.returncode == 0, complained[-6000:]
    lines = [json.loads(line) for line in said.splitlines() if line.startswith('{"case"')]
    return {line["case"]: line["found"] for line in lines}


def start(service: ServiceProcess, folder: Path, *cases: str) -> subprocess.Popen[str]:
    """Start a process that runs cases of `oracle_trials` in a folder."""
    environ = {
        **{k: v for k, v in os.environ.items() if not k.startswith("TUNER_")},
        "TUNER_API_URL": service.url,
        "TUNER_TOKEN": TOKEN,
        "TUNER_LOG_ROOT": str(service.log_root),
        "PYTHONPATH": str(ROOT),
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.oracle_trials", *cases],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def trials(service: ServiceProcess, study: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = service.get(f"/studies/oracle/{study}/trials")
    return rows


def test_a_search_gives_each_trial_values_of_its_own_kinds(found: Found) -> None:
    seen = found["plain"]["seen"]

    assert len(seen) == 6
    for values in seen:
        names = {"learning rate", "n/layers", "units", "batch", "norm"}
        assert values.keys() == names
        assert isinstance(values["learning rate"], float)
        assert isinstance(values["norm"], bool)
        assert values["batch"] in (2, 4, 8, 16)
        units = (4, 5) if values["n/layers"] == 1 else range(8, 65, 8)
        assert values["units"] in units


def test_the_best_hyperparameters_are_those_of_the_best_trial(found: Found) -> None:
    best = min(found["plain"]["seen"], key=lambda values: values["learning rate"])

    assert found["plain"]["best"] == best
    assert found["plain"]["remaining"] == 0


def test_the_study_has_the_trials_under_names_that_are_words(
    found: Found, service: ServiceProcess
) -> None:
    rows = trials(service, "plain")

    assert [row["state"] for row in rows] == ["COMPLETE"] * len(found["plain"]["seen"])
    for row, values in zip(rows, found["plain"]["seen"], strict=True):
        units = "units._1" if values["n/layers"] == 1 else "units"
        assert row["params"] == {
            "learning_rate": values["learning rate"],
            "n.layers": values["n/layers"],
            units: values["units"],
            "batch": values["batch"],
            "norm": values["norm"],
        }
        assert row["objective"] == values["learning rate"]


def test_kerastuner_keeps_its_project_as_ever(found: Found) -> None:
    files = [f"trial_{number}/trial.json" for number in range(6)]

    assert found["plain"]["files"] == ["oracle.json", *files, "tuner0.json"]


def test_a_trial_leaves_its_hyperparameters_and_curve_for_tensorboard(
    found: Found, service: ServiceProcess
) -> None:
    for row in trials(service, "trained"):
        run = read_run(Place(service.log_root, row["run_dir"]), check_payload=True, most=1 << 20)
        curve = [value for _, value, _ in run["scalars"]["val_loss"]]
        epochs = 1 if row["state"] == "PRUNED" else 4

        assert run["hparams"] is not None
        assert run["hparams"] == pytest.approx(row["params"])
        assert (len(curve), run["status"]) == (epochs, "success")
        assert run["scalars"]["objective"][-1][1] == pytest.approx(row["objective"])
        config = json.loads((service.log_root / row["run_dir"] / "config.json").read_text())
        assert config["versions"]["keras_tuner"]


def test_an_invalid_trial_is_tried_again_and_one_that_failed_is_not(
    found: Found, service: ServiceProcess
) -> None:
    rows = [(row["state"], row["cause"]) for row in trials(service, "retried")]

    assert found["retried"]["runs"] == ["0", "0", "1", "2", "2", "3"]
    assert [status for status, _ in found["retried"]["statuses"].values()] == [
        *("COMPLETED", "FAILED", "FAILED", "COMPLETED")
    ]
    complete = ("COMPLETE", None)
    assert rows == [complete, ("FAIL", "error"), ("FAIL", "diverged"), complete]


def test_failures_one_after_another_end_the_search_and_are_told(
    found: Found, service: ServiceProcess
) -> None:
    assert "failures exceeded the limit of 2" in found["failing"]
    # A further one may have been proposed before the search had ended.
    assert [row["state"] for row in trials(service, "failing")][:2] == ["FAIL", "FAIL"]
    assert "never works 1" in service.get("/studies/oracle/failing/trials/1")["error"]


def test_executions_are_averaged_as_kerastuner_does(found: Found, service: ServiceProcess) -> None:
    assert found["averaged"] == {"0": ["COMPLETED", 2.0]}
    assert [row["objective"] for row in trials(service, "averaged")] == [2.0]


def test_several_objectives_are_one_as_in_kerastuner(found: Found, service: ServiceProcess) -> None:
    (row,) = trials(service, "several")

    assert found["several"] == {"0": ["COMPLETED", -0.25]}
    assert row["objective"] == -0.25
    assert row["metrics"] == {"loss": 0.5, "accuracy": 0.75, "multi_objective": -0.25}


def test_a_tuner_that_reports_by_itself_is_told_when_to_stop(
    found: Found, service: ServiceProcess
) -> None:
    assert found["reported"]["stopped"] == [0]
    assert [row["state"] for row in trials(service, "reported")] == ["COMPLETE", "PRUNED"]


def test_a_hopeless_training_ends_after_an_epoch(found: Found, service: ServiceProcess) -> None:
    rows = trials(service, "trained")
    pruned = [row["trial"] for row in rows if row["state"] == "PRUNED"]

    # Two executions a trial: of one that was pruned each ends after its first epoch.
    assert pruned
    assert found["trained"]["ran"] == [
        epochs for row in rows for epochs in ((1, 1) if row["trial"] in pruned else (4, 4))
    ]


def test_the_best_model_and_its_hyperparameters_come_back(found: Found) -> None:
    trained = found["trained"]

    assert trained["best"] == min(score for _, score in trained["statuses"].values())
    assert trained["loss"] <= trained["best"] + 1e-6
    assert trained["values"].keys() == {"rate", "batch size"}


def test_an_interrupted_search_goes_on_with_the_same_trial(
    found: Found, service: ServiceProcess
) -> None:
    numbers = [number for number, _ in found["interrupted"]["seen"]]
    params = [values for _, values in found["interrupted"]["seen"]]
    attempts = service.get("/studies/oracle/interrupted/trials/1")["attempt_list"]

    assert numbers == ["0", "1", "1", "2"]
    assert params[1] == params[2]
    assert [attempt["cause"] for attempt in attempts] == ["preempted", None]
    assert found["interrupted"]["left"] == ["0"]
    assert found["interrupted"]["ended"] == ["0", "1", "2"]


def test_a_search_goes_on_after_a_restart_with_a_larger_budget(found: Found) -> None:
    resumed = found["resumed"]

    assert resumed["runs"] == ["2", "3"]
    assert sorted(resumed["best"][:2]) == ["2", "3"]
    assert sorted(resumed["best"]) == ["0", "1", "2", "3"]


def test_a_process_without_trials_of_its_own_knows_the_best_of_the_study(found: Found) -> None:
    assert found["resumed"]["elsewhere"] == [1.0, 1.0, 2.0, 2.0]


def test_hyperparameters_that_trials_meet_join_from_the_next_trial_on(
    found: Found, service: ServiceProcess
) -> None:
    seen = found["unknown"]["seen"]
    rows = trials(service, "unknown")

    # The first has the defaults of what it meets; nothing was known before.
    assert seen[0] == {"rate": 0.25, "kind": "wide"}
    assert len({values["rate"] for values in seen}) > 1
    assert [row["params"] for row in rows] == seen
    first_deep = next(values for values in seen if values["kind"] == "deep")
    assert first_deep["layers"] == 3
    assert found["unknown"]["space"] == ["rate", "kind", "layers"]


def test_what_is_not_to_be_tuned_keeps_its_default(found: Found, service: ServiceProcess) -> None:
    assert [values["units"] for values in found["untuned"]] == [4, 4, 4]
    assert [row["params"].keys() for row in trials(service, "untuned")] == [{"rate"}] * 3


def test_a_hyperparameter_of_fit_is_part_of_the_first_trial_too(
    service: ServiceProcess, found: Found
) -> None:
    rows = trials(service, "trained")

    assert [row["params"].keys() for row in rows] == [{"rate", "batch_size"}] * 3
    assert rows[0]["params"]["batch_size"] == 32


@pytest.mark.parametrize(
    ("what", "texts"),
    [
        ("no server", ["UnavailableError: http://127.0.0.1:9", "does not answer"]),
        ("token", ["SetupError", "TUNER_TOKEN"]),
        ("name", ["SpecError: study: 'Vision': project/study"]),
        ("no limit", ["max_trials: missing", "budget="]),
        ("space", ["oracle/mistaken exists", "search_space.learning_rate", "oracle/mistaken-2"]),
        ("project", ["is of the study oracle/mistaken", "project_name", "overwrite=True"]),
        ("choice", ["hyperparameter 'layer': ", "are not texts, numbers, true or false"]),
    ],
)
def test_a_mistake_is_named(found: Found, what: str, texts: list[str]) -> None:
    for text in texts:
        assert text in found["mistaken"][what]
