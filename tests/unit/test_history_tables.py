"""Tables as other tools write them: which column is what, and what came of each run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.history.lab import HistoryLab, open_lab
from tests.support.history.tables import NAMED, RATE, SPEC, look, outcomes, trials, write
from tuner.history.choosing.finding import find
from tuner.history.store.imported import Options
from tuner.spec import parse_spec


@pytest.fixture
def lab(sqlite_url: str) -> Iterator[HistoryLab]:
    with open_lab(sqlite_url) as lab:
        yield lab


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
