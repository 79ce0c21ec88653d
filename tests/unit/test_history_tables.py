"""Tables as other tools write them: which column is what, and what came of each run."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.history.lab import HistoryLab, open_lab
from tuner.history.choosing.finding import Found, find
from tuner.history.store.imported import Options
from tuner.history.store.records import HistoricTrial
from tuner.spec import parse_spec
from tuner.surrogate.history.source import FINAL

RATE = {"type": "float", "low": 1e-4, "high": 0.1, "log": True}
SPEC = {
    "project": "vision",
    "study": "digits",
    "objective": "toy:train",
    "metric": {"name": "val_accuracy", "goal": "maximize"},
    "search_space": {
        "lr": RATE,
        "units": {"type": "int", "low": 8, "high": 128},
        "optimizer": {"type": "categorical", "values": ["adam", "sgd"]},
    },
    "budget": {"trials": 3},
}


@pytest.fixture
def lab(sqlite_url: str) -> Iterator[HistoryLab]:
    with open_lab(sqlite_url) as lab:
        yield lab


def write(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    names = dict.fromkeys(name for row in rows for name in row)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*names])
        writer.writeheader()
        writer.writerows(rows)
    return path


def look(lab: HistoryLab, path: Path, **changes: object) -> Found:
    return find(lab.store, parse_spec({**SPEC, "history": [str(path)], **changes}))


def outcomes(lab: HistoryLab) -> list[tuple[str, str | None]]:
    return [(trial.state, trial.cause) for trial in lab.only().trials]


def trials(lab: HistoryLab) -> tuple[HistoricTrial, ...]:
    return lab.only().trials


NAMED = Options(metrics=("val_acc",), goals=("maximize",))


def test_a_state_of_any_tool_is_understood(lab: HistoryLab, tmp_path: Path) -> None:
    words = ["finished", "Crashed", "TrialState.COMPLETE", "EARLY_STOPPED", "killed", "Error"]
    words += ["running", "In Progress", "unheard of"]
    rows = [{"name": n, "state": w, "lr": 0.1, "val_acc": 0.8} for n, w in enumerate(words)]
    report = lab.add(write(tmp_path / "runs.csv", rows), NAMED)

    assert (report.imported, report.rejected) == (6, 3)
    assert outcomes(lab) == [
        ("complete", None),
        ("fail", None),
        ("complete", None),
        ("pruned", None),
        ("fail", "cancelled"),
        ("fail", "error"),
    ]
    assert "state" not in trials(lab)[0].params
    assert lab.reasons() == {
        "runs.csv, row 7": "has not ended (state 'running')",
        "runs.csv, row 8": "has not ended (state 'In Progress')",
        "runs.csv, row 9": "has a state that is not known ('unheard of')",
    }


def test_a_parameter_may_be_called_as_a_fact_of_optunas(lab: HistoryLab, tmp_path: Path) -> None:
    states = ("CA", "TX", "NY")
    rows = [
        {"state": s, "number": n, "duration": 9, "value": 3 * n, "val_acc": 0.8}
        for n, s in enumerate(states)
    ]
    report = lab.add(write(tmp_path / "runs.csv", rows), NAMED)

    note = "column state holds no states that are known: a parameter"
    assert report.studies[0].notes == [note]
    assert [trial.params for trial in trials(lab)] == [
        {"state": s, "number": n, "duration": 9, "value": 3 * n} for n, s in enumerate(states)
    ]
    assert set(outcomes(lab)) == {("complete", None)}


def optuna_rows(count: int = 12) -> list[dict[str, object]]:
    return [
        {
            "": n,
            "number": n,
            "value": n / 100,
            "params_lr": 0.001 * (n + 1),
            "params_state": "hot",
            "user_attrs_seed": n,
            "system_attrs_constraints": "(0.5,)" if n == 2 else "(-1.0, 0.0)",
            "state": "PRUNED" if n == 1 else "COMPLETE",
        }
        for n in range(count)
    ]


def test_a_metric_that_is_named_is_the_value_of_an_optuna_table(
    lab: HistoryLab, tmp_path: Path
) -> None:
    path = write(tmp_path / "trials.csv", optuna_rows())
    lab.add(path, NAMED)
    found = look(lab, path, search_space={"lr": RATE})

    assert dict(lab.only().metrics) == {"val_acc": "maximize"}
    assert trials(lab)[3].params == {"lr": 0.004, "state": "hot"}
    assert outcomes(lab)[2] == ("fail", "constraint")
    assert dict(found.receipts[0].dropped) == {"no-step": 1}, "pruned, with a value"
    assert found.receipts[0].reasons == ["1 pruned, and nobody recorded when"]


def test_a_table_of_optunas_dashboard(lab: HistoryLab, tmp_path: Path) -> None:
    rows = [
        {"Number": n, "State": state, "Value": n / 10, "Param lr": 0.1, "UserAttribute seed": 3}
        for n, state in enumerate(["Complete", "Pruned", "Fail", "Running"])
    ]
    report = lab.add(write(tmp_path / "trials.csv", rows), NAMED)

    assert (report.imported, report.rejected) == (3, 1)
    assert dict(lab.only().metrics) == {"val_acc": "maximize"}
    assert [dict(trial.params) for trial in trials(lab)] == [{"lr": 0.1}] * 3


def test_what_scikit_learn_searched_informs(lab: HistoryLab, tmp_path: Path) -> None:
    rows = [
        {
            "": n,
            "mean_fit_time": 1.0 + n,
            "param_lr": 0.001 * (n + 1),
            "param_units": 16,
            "param_optimizer": "adam" if n % 2 else "sgd",
            "param_clf__C": "" if n % 2 else "--",
            "params": "{'lr': 0.1}",
            "split0_test_score": 0.3,
            "mean_test_score": n / 100,
            "std_test_score": 0.0,
            "rank_test_score": 30 - n,
        }
        for n in range(30)
    ]
    path = write(tmp_path / "cv_results.csv", rows)
    report = lab.add(path)
    found = look(lab, path)

    assert report.studies[0].notes == ["a table of scikit-learn's"]
    assert dict(lab.only().metrics) == {"mean_test_score": "maximize"}
    assert trials(lab)[1].params == {"lr": 0.002, "units": 16, "optimizer": "adam"}
    assert (found.receipts[0].used, len(found.sources)) == (30, 1)
    by_itself = find(lab.store, parse_spec(SPEC))
    assert by_itself.receipts[0].used == 30, "its goal is known, and it has no name"


def test_the_dictionaries_of_cv_results_stand_in_for_their_columns(
    lab: HistoryLab, tmp_path: Path
) -> None:
    params = "{'clf__C': np.float64(0.5), 'kernel': 'rbf', 'gamma': nan}"
    rows = [{"params": params, "mean_test_score": 0.9, "rank_test_score": 1}]
    lab.add(write(tmp_path / "cv_results.csv", rows))

    assert trials(lab)[0].params == {"clf.C": 0.5, "kernel": "rbf"}


def test_a_score_of_scikit_learn_is_no_loss(lab: HistoryLab, tmp_path: Path) -> None:
    rows = [{"param_lr": 0.1, "mean_test_score": 0.9}] * 3
    path = write(tmp_path / "cv_results.csv", rows)
    report = lab.add(path, Options(metrics=("val_loss",), goals=("minimize",)))

    assert report.rejected == 1
    assert lab.reasons()["cv_results.csv"].startswith("no column 'val_loss'; name one with")


def test_a_search_by_halving_has_rungs(lab: HistoryLab, tmp_path: Path) -> None:
    rows: list[dict[str, object]] = []
    for iteration, (resources, count) in enumerate([(10, 9), (30, 3), (90, 1)]):
        rows += [
            {
                "iter": iteration,
                "n_resources": resources,
                "param_lr": 0.01 * (n + 1),
                "mean_test_accuracy": 0.5 + iteration / 10 - n / 100,
            }
            for n in range(count)
        ]
    report = lab.add(write(tmp_path / "halving.csv", rows))

    assert len(trials(lab)) == 9
    assert [t.state for t in trials(lab)] == ["complete", *["pruned"] * 8]
    curve = trials(lab)[0].curves["mean_test_accuracy"]
    assert curve == ((10, 0.5), (30, 0.6), (90, 0.7))
    assert trials(lab)[8].curves["mean_test_accuracy"] == ((10, 0.42),)
    note = "8 of 9 runs ended at 10 or 30 of 90 steps: taken as stopped there"
    assert report.studies[0].notes[1] == note


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


def test_a_value_beyond_all_is_infeasible(lab: HistoryLab, tmp_path: Path) -> None:
    rows = [{"lr": 0.1, "val_acc": value} for value in ("1e301", "-1.7976931348623157e308", 0.5)]
    lab.add(write(tmp_path / "runs.csv", rows), NAMED)

    assert outcomes(lab) == [("fail", "diverged"), ("fail", "diverged"), ("complete", None)]


@pytest.mark.parametrize("header", ["param_lr", "params_lr", "config/lr", "metrics.a", "State"])
def test_one_name_alone_is_no_table_of_a_tool(lab: HistoryLab, tmp_path: Path, header: str) -> None:
    rows = [{header: 0.1 * n, "units": 3, "val_acc": 0.5} for n in range(3)]
    report = lab.add(write(tmp_path / "runs.csv", rows), NAMED)

    assert report.studies[0].notes == (
        ["column State holds no states that are known: a parameter"] if header == "State" else []
    )
    assert {name for t in trials(lab) for name in t.params} == {header, "units"}


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
