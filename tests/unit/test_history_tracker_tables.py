"""Tables as Ray, MLflow, Weights & Biases, SageMaker and Neptune write them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.history.lab import HistoryLab, open_lab
from tests.support.history.tables import look, outcomes, trials, write
from tuner.surrogate.history.source import FINAL


@pytest.fixture
def lab(sqlite_url: str) -> Iterator[HistoryLab]:
    with open_lab(sqlite_url) as lab:
        yield lab


def ray_row(n: int, step: int, *, done: bool) -> dict[str, object]:
    return {
        "val_accuracy": round(0.5 + step / 100 - n / 1000, 4),
        "time_total_s": 3.5,
        "pid": 17,
        "trial_id": f"abc_{n}",
        "training_iteration": step,
        "done": done,
        "timestamp": 1_700_000_000 + step,
        "config/lr": 0.001 * (n + 1),
        "config/train_loop_config/units": 16,
        "config/optimizer": "adam",
    }


def test_rays_last_results_are_runs(lab: HistoryLab, tmp_path: Path) -> None:
    rows = [ray_row(n, 9, done=n != 3) for n in range(5)]
    lab.add(write(tmp_path / "results.csv", rows))

    assert dict(lab.only().metrics) == {"val_accuracy": None}
    assert trials(lab)[1].params == {"lr": 0.002, "units": 16, "optimizer": "adam"}
    assert [t.state for t in trials(lab)] == [*["complete"] * 3, "running", "complete"]
    assert trials(lab)[0].finished == 1_700_000_009


def test_rays_reports_are_curves_and_what_a_scheduler_stopped_is_no_end(
    lab: HistoryLab, tmp_path: Path
) -> None:
    ends = [27, 27, 9, 9, 3, 3, 3, 3]
    rows = [
        ray_row(n, step, done=step == end)
        for n, end in enumerate(ends)
        for step in range(1, end + 1)
    ]
    path = write(tmp_path / "progress.csv", rows[::-1])
    report = lab.add(path)
    found = look(lab, path)
    (source,) = found.sources

    assert (report.found, report.imported) == (8, 8)
    by_rate = sorted(trials(lab), key=lambda t: t.params["lr"])
    assert [t.state for t in by_rate] == [*["complete"] * 2, *["pruned"] * 6]
    assert len(by_rate[0].curves["val_accuracy"]) == 27
    assert "6 of 8 runs ended at 3 or 9 of 27 steps" in report.studies[0].notes[1]
    assert {int(rung) for rung in source.rung} == {3, 9, FINAL}


def test_runs_that_stopped_anywhere_have_ended(lab: HistoryLab, tmp_path: Path) -> None:
    """As by patience: each at another step."""
    rows = [ray_row(n, 10 + 3 * n, done=True) for n in range(6)]
    lab.add(write(tmp_path / "results.csv", rows))

    assert {t.state for t in trials(lab)} == {"complete"}


def test_mlflows_runs(lab: HistoryLab, tmp_path: Path) -> None:
    rows = [
        {
            "run_id": f"r{n}",
            "experiment_id": 0,
            "status": status,
            "start_time": "2024-01-01 10:00:00+00:00",
            "end_time": 1_704_103_800_000,
            "metrics.val_accuracy": 0.9,
            "metrics.loss": "nan",
            "params.lr": "0.001",
            "params.units": "None",
            "params.nesterov": "True",
            "tags.mlflow.user": "ada",
        }
        for n, status in enumerate(["FINISHED", "FAILED", "KILLED", "RUNNING"])
    ]
    report = lab.add(write(tmp_path / "runs.csv", rows))

    assert (report.imported, report.rejected) == (3, 1)
    assert outcomes(lab) == [("complete", None), ("fail", None), ("fail", "cancelled")]
    assert trials(lab)[0].params == {"lr": 0.001, "nesterov": True}
    assert trials(lab)[0].metrics == {"val_accuracy": 0.9}
    assert trials(lab)[0].started == 1_704_103_200
    assert trials(lab)[0].finished == 1_704_103_800


def test_the_web_export_of_wandb(lab: HistoryLab, tmp_path: Path) -> None:
    rows = [
        {
            "Name": f"sunny-sweep-{n}",
            "State": state,
            "Runtime": 100,
            "Created": "2024-01-01T10:00:00.000Z",
            "Sweep": "abc",
            "optimizer.lr": 0.001 * (n + 1),
            "model.units.value": 32,
            "optimizer.name": "adam",
            "loss": "mse",
            "_step": 10,
            "_wandb.runtime": 99,
            "val_accuracy": 0.5 + n / 100,
            "train/epoch_loss": 0.2,
        }
        for n, state in enumerate([*["finished"] * 12, "crashed", "running"])
    ]
    path = write(tmp_path / "wandb.csv", rows)
    report = lab.add(path)
    found = look(lab, path)

    assert (report.imported, report.rejected) == (13, 1)
    assert dict(lab.only().metrics) == {"val_accuracy": None, "train/epoch_loss": None}
    assert set(trials(lab)[0].params) == {"optimizer.lr", "model.units", "optimizer.name", "loss"}
    assert trials(lab)[0].started == 1_704_103_200
    assert found.receipts[0].used == 12
    assert dict(found.receipts[0].parameters) == {
        "lr": "optimizer.lr there (a guess by its last word)",
        "units": "model.units there (a guess by its last word); always 32 there",
        "optimizer": 'optimizer.name there (a guess by its words); always "adam" there',
    }


def test_the_dictionaries_of_wandbs_programs_become_columns(
    lab: HistoryLab, tmp_path: Path
) -> None:
    config = {"lr": 0.1, "model": {"units": 16}, "layers": [1, 2], "old": {"value": 3, "desc": 0}}
    summary = {"val_accuracy": 0.9, "_step": 7, "loss": float("nan")}
    rows: list[dict[str, object]] = [{"summary": summary, "config": config, "name": "a"}]
    rows += [{"summary": {"val_accuracy": 0.8}, "config": '{"lr": 0.2}', "name": "b"}]
    rows += [{"summary": {}, "config": "{'lr': broken", "name": "c"}]
    lab.add(write(tmp_path / "project.csv", rows))

    assert trials(lab)[0].params == {"lr": 0.1, "model.units": 16, "old": 3}
    assert [dict(t.metrics) for t in trials(lab)] == [{"val_accuracy": 0.9}, {"val_accuracy": 0.8}]
    assert lab.reasons() == {"project.csv, row 3": "has no value of the metric"}


def test_sagemakers_choices_stand_in_quotation_marks(lab: HistoryLab, tmp_path: Path) -> None:
    statuses = [*["Completed"] * 10, "Failed", "Stopped", "InProgress"]
    rows = [
        {
            "lr": 0.001 * (n + 1),
            "units": f'"{16 + n}"',
            "optimizer": '"adam"' if n % 2 else '"sgd"',
            "_tuning_objective_metric": '"acc"',
            "TrainingJobName": f"job-{n}",
            "TrainingJobStatus": status,
            "FinalObjectiveValue": n / 100,
            "TrainingStartTime": "2024-01-01 10:00:00+00:00",
            "TrainingElapsedTimeSeconds": 600.0,
        }
        for n, status in enumerate(statuses)
    ]
    path = write(tmp_path / "jobs.csv", rows)
    report = lab.add(path)
    found = look(lab, path)

    assert (report.imported, report.rejected) == (12, 1)
    assert trials(lab)[1].params == {"lr": 0.002, "units": 17, "optimizer": "adam"}
    assert dict(found.receipts[0].dropped) == {"failed": 1, "no-step": 1}
    note = "FinalObjectiveValue there, which says no name (a guess)"
    assert (found.receipts[0].used, found.receipts[0].metric_note) == (10, note)


def test_a_runs_table_of_neptune_is_told_by_its_folders(lab: HistoryLab, tmp_path: Path) -> None:
    table = tmp_path / "runs.csv"
    table.write_text(
        "sys/id,sys/state,sys/creation_time,parameters/lr,parameters/model/layers,metrics/val/acc\n"
        "DIG-1,Inactive,2026-01-05 10:00:00,0.1,2,0.9\n"
        "DIG-2,Inactive,2026-01-05 11:00:00,0.2,3,\n"
    )

    report = lab.add(table)
    (trial,) = lab.only().trials

    assert (report.imported, report.rejected) == (1, 1)
    assert trial.params == {"lr": 0.1, "model.layers": 2}
    assert trial.metrics == {"val/acc": 0.9}
