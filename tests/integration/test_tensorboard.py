"""A real TensorBoard shows what the records of a study say."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.board.event_files import event_files
from tests.support.board.tensorboard_api import TensorBoard, open_tensorboard
from tests.support.study_run import write_study
from tuner.exporters import StudyWriter, repair_run
from tuner.roots import Place
from tuner.space import SearchSpace
from tuner.tfevents import RunWriter, session_hparams, write_json

pytestmark = pytest.mark.slow

STUDY = "vision/digits"
METRICS = [{"name": "val_accuracy", "goal": "maximize"}]
SPACE = SearchSpace.from_json(
    {
        "parameters": {
            "train.learning_rate": {"type": "float", "low": 1e-5, "high": 1e-1, "log": True},
            "train.optimizer": {"type": "categorical", "values": ["adam", "sgd"]},
            "train.momentum": {
                "type": "float",
                "low": 0.0,
                "high": 0.99,
                "when": {"train.optimizer": ["sgd"]},
            },
            "train.batch_size": {"type": "ordinal", "values": [16, 32, 64]},
            "train.schedule": {"type": "categorical", "values": ["cosine", 10, 0.5]},
            "model.layers": {"type": "int", "low": 1, "high": 4},
            "model.bn": {"type": "bool"},
            "model.activation": {"type": "fixed", "value": "relu"},
        }
    }
)
CONFIG = {"metrics": METRICS, "spec": {"search_space": SPACE.to_json()["parameters"]}}
ADAM = {
    "train.learning_rate": 1e-3,
    "train.optimizer": "adam",
    "train.batch_size": 32,
    "train.schedule": "cosine",
    "model.layers": 2,
    "model.bn": True,
    "model.activation": "relu",
}
SGD = ADAM | {"train.optimizer": "sgd", "train.momentum": 0.9, "train.schedule": 10}

CURVE_OF_TWO = [[step, 0.1 * step, 1000.0 + step] for step in (1, 2)]

#: A worker that is killed after its second report.
KILLED_WORKER = """
import json, sys, time
from pathlib import Path
from tuner.roots import Place
from tuner.tfevents import RunWriter
writer = RunWriter(Place(Path(sys.argv[1])))
writer.start(json.loads(sys.argv[2]), Path(sys.argv[1]).name, 1000.0)
for step in (1, 2):
    writer.scalars(step, {"val_accuracy": 0.1 * step, "loss": 1 / step}, 1000.0 + step)
print("reported", flush=True)
time.sleep(60)
"""


def make_record(number: int, attempt: int = 1, **changes: Any) -> dict[str, Any]:
    suffix = f"-a{attempt}" if attempt > 1 else ""
    record = {
        "version": 1,
        "study": STUDY,
        "trial": number,
        "attempt": attempt,
        "run_dir": f"{STUDY}/trial_{number:05d}-20261122T231005Z{suffix}",
        "outcome": "COMPLETE",
        "is_outcome": True,
        "objective": 0.2 + number / 10,
        "params": SGD if number % 2 else ADAM,
        "curve": [[step, 0.1 * step, 1000.0 + step] for step in (1, 2, 3)],
        "started": 1000.0,
        "finished": 1010.0,
    }
    return record | changes


def logged(record: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters as TensorBoard is to show them."""
    return session_hparams({**CONFIG, "params": record["params"]})


def run_worker(log_root: Path, record: dict[str, Any]) -> None:
    """Write everything as a worker that lives does."""
    run_dir = log_root / record["run_dir"]
    write_json(Place(run_dir), "config.json", CONFIG)
    writer = RunWriter(Place(run_dir))
    writer.start(logged(record), run_dir.name, record["started"])
    for step, value, time_s in record["curve"]:
        writer.scalars(step, {"val_accuracy": value, "loss": 1 / step}, time_s)
    success = record["outcome"] in ("COMPLETE", "PRUNED")
    writer.finish(record["objective"], "success" if success else "failure", record["finished"])
    writer.close()
    write_json(Place(run_dir), "trial.json", record)


def kill_worker(log_root: Path, record: dict[str, Any]) -> None:
    """Run a worker up to its second report and kill it."""
    run_dir = log_root / record["run_dir"]
    command = [sys.executable, "-c", KILLED_WORKER, str(run_dir), json.dumps(logged(record))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path.cwd()) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"reported\n"
        process.send_signal(signal.SIGKILL)


@dataclass
class Study:
    log_root: Path
    #: Every ended attempt by the name of its run.
    records: dict[str, dict[str, Any]] = field(default_factory=dict)

    def take(self, record: dict[str, Any]) -> dict[str, Any]:
        self.records[Path(record["run_dir"]).name] = record
        return record

    @property
    def folder(self) -> Path:
        return self.log_root / STUDY


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study in which everything happened that can happen to an attempt."""
    study = Study(tmp_path_factory.mktemp("logs"))
    for number in (0, 1):
        run_worker(study.log_root, study.take(make_record(number)))
    run_worker(study.log_root, study.take(make_record(2, outcome="PRUNED", objective=0.3)))
    run_worker(
        study.log_root,
        study.take(make_record(3, outcome="FAIL", cause="error", objective=None, curve=[])),
    )
    diverged = make_record(
        4, outcome="FAIL", cause="diverged", objective=math.nan, curve=[[1, math.nan, 1001.0]]
    )
    run_worker(study.log_root, study.take(diverged))
    # Killed, run again elsewhere, complete.
    lost = make_record(
        5, outcome="LOST", cause="lost", is_outcome=False, objective=None, curve=CURVE_OF_TWO
    )
    kill_worker(study.log_root, study.take(lost))
    run_worker(study.log_root, study.take(make_record(5, attempt=2)))
    # The worker finished, but its last words did not reach the disk.
    kill_worker(study.log_root, study.take(make_record(6)))
    # The log root was full: nothing but the database knows of this trial.
    study.take(make_record(7))
    # The host crashed and tore the file.
    torn = study.take(make_record(8))
    run_worker(study.log_root, torn)
    (path,) = event_files(study.log_root / torn["run_dir"])
    path.write_bytes(path.read_bytes()[:-150])
    for record in study.records.values():
        repair_run(study.log_root, CONFIG, record)
    write_curves(study)
    return study


def complete(study: Study) -> dict[int, float]:
    return {
        record["trial"]: record["objective"]
        for record in study.records.values()
        if record["outcome"] == "COMPLETE"
    }


def write_curves(study: Study) -> None:
    """Write the study's run with trials that end out of order, over a restart."""
    objectives = complete(study)
    for order in ([1, 7, 5], [0, 8, 6]):
        writer = StudyWriter(study.log_root, STUDY, SPACE, METRICS)
        for trial in order:
            writer.add(trial, objectives[trial])
            writer.write()
        writer.close()


@pytest.fixture(scope="module", params=["data server", "Python loader"])
def board(request: pytest.FixtureRequest, study: Study) -> Iterator[TensorBoard]:
    with open_tensorboard(study.folder, fast=request.param == "data server") as board:
        board.wait_until(board.trials, lambda trials: set(trials) == set(study.records))
        yield board


def test_every_attempt_is_a_row_with_its_own_values(study: Study, board: TensorBoard) -> None:
    trials = board.trials()

    for name, record in study.records.items():
        row = trials[name]
        schedule = {"train.schedule": str(record["params"]["train.schedule"])}
        assert row["hparams"] == record["params"] | schedule, name
        assert row["sessions"] == [name]
        assert (row["start"], row["end"]) == (record["started"], record["finished"]), name


def test_the_status_of_every_row_is_the_outcome(study: Study, board: TensorBoard) -> None:
    statuses = {name: row["status"] for name, row in board.trials().items()}

    assert statuses == {
        name: "SUCCESS" if record["outcome"] in ("COMPLETE", "PRUNED") else "FAILURE"
        for name, record in study.records.items()
    }


def test_the_objective_of_every_row_is_what_was_told(study: Study, board: TensorBoard) -> None:
    rows = board.trials()

    for name, record in study.records.items():
        told = record["objective"]
        if told is None or math.isnan(told):
            assert rows[name]["metrics"] == {}, name
        else:
            assert rows[name]["metrics"] == {"objective": pytest.approx(told)}, name


def test_every_curve_is_complete_and_in_order(study: Study, board: TensorBoard) -> None:
    for name, record in study.records.items():
        points = board.scalars(name, "val_accuracy")
        told = [(step, pytest.approx(value, nan_ok=True)) for step, value, _ in record["curve"]]
        assert points == told, name


def test_there_is_one_experiment_with_the_columns_that_tell_trials_apart_first(
    board: TensorBoard,
) -> None:
    experiment = board.experiment()

    assert experiment["name"] == STUDY
    # Five differ, by name, then the others: what is conditional or constant is none of the five.
    assert [info["name"] for info in experiment["hparamInfos"]] == [
        "model.layers",
        "train.batch_size",
        "train.learning_rate",
        "train.optimizer",
        "train.schedule",
        "model.activation",
        "model.bn",
        "train.momentum",
    ]
    assert [info["name"]["tag"] for info in experiment["metricInfos"]] == ["objective"]


def test_a_conditional_parameter_stands_only_where_it_was_used(board: TensorBoard) -> None:
    for name, row in board.trials().items():
        assert ("train.momentum" in row["hparams"]) == (int(name[6:11]) % 2 == 1)


def test_the_curves_of_the_study_are_in_trial_order(study: Study, board: TensorBoard) -> None:
    objectives = sorted(complete(study).items())
    best = [max(value for _, value in objectives[: n + 1]) for n in range(len(objectives))]
    # The experiment's run is not a session, so it is no row.
    assert "_study" not in board.trials()
    assert board.scalars("_study", "study/objective") == [
        (trial, pytest.approx(value)) for trial, value in objectives
    ]
    assert board.scalars("_study", "study/best_so_far") == [
        (trial, pytest.approx(value)) for (trial, _), value in zip(objectives, best, strict=True)
    ]


@pytest.mark.parametrize("column", ["train.schedule", "train.momentum", "model.bn"])
def test_the_table_can_be_sorted_by_every_kind_of_parameter(
    board: TensorBoard, column: str
) -> None:
    assert len(board.session_groups(sort_by=column)) == len(board.session_groups())


def test_a_running_trial_shows_up_and_ends_while_tensorboard_runs(tmp_path: Path) -> None:
    write_study(tmp_path, STUDY, SPACE, METRICS, {})
    record = make_record(9)
    run_dir = tmp_path / record["run_dir"]
    writer = RunWriter(Place(run_dir))
    writer.start(record["params"], run_dir.name, 1000.0)
    writer.scalars(1, {"val_accuracy": 0.5}, 1001.0)
    with open_tensorboard(tmp_path / STUDY) as board:
        rows = board.wait_until(board.trials, bool)
        assert rows[run_dir.name]["status"] == "UNKNOWN"
        writer.finish(0.5, "success", 1002.0)
        rows = board.wait_until(
            board.trials, lambda rows: rows[run_dir.name]["status"] != "UNKNOWN"
        )
        assert rows[run_dir.name]["status"] == "SUCCESS"
        assert rows[run_dir.name]["metrics"] == {"objective": 0.5}
    writer.close()
