"""What other tools really wrote, imported: the files of tests/data/history, Optuna, pandas."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from tests.support.history.lab import DATA, HistoryLab, open_lab
from tuner.errors import NotFoundError
from tuner.history import importing
from tuner.history.importers.kerastuner import projects as kerastuner
from tuner.history.matching.outcomes import read_outcomes
from tuner.history.store.imported import Options

pytestmark = [
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
    pytest.mark.filterwarnings("ignore:`constraints_func` has been deprecated:FutureWarning"),
]
optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def lab(sqlite_url: str) -> Iterator[HistoryLab]:
    with open_lab(sqlite_url) as lab:
        yield lab


def test_runs_of_the_keras_callback_are_trials_with_the_curves_of_their_sub_runs(
    lab: HistoryLab,
) -> None:
    report = lab.add(DATA / "keras" / "callback")
    study = lab.only()
    first, second, killed = study.trials

    assert (report.imported, report.rejected) == (3, 0)
    assert first.params == {"units": 4, "rate": 0.01, "bias": True, "name": "plain"}
    assert isinstance(first.params["units"], int)
    assert [step for step, _ in second.curves["validation/epoch_loss"]] == [0, 1, 2]
    assert second.metrics["validation/epoch_loss"] == second.curves["validation/epoch_loss"][-1][1]
    assert next(iter(study.metrics)) == "validation/epoch_loss", "the declared metric comes first"
    assert set(study.metrics.values()) == {None}, "nobody said where they should go"
    assert [trial.state for trial in study.trials] == ["complete", "complete", "running"]
    assert len(killed.curves["train/epoch_loss"]) == 2
    assert first.started is not None
    assert first.finished is not None
    assert 0 < first.finished - first.started < 60
    assert study.space is not None
    assert study.space["units"].values == (4, 8)
    assert (study.space["rate"].low, study.space["rate"].high) == (0.001, 0.1)


def test_where_no_run_says_that_it_ended_all_have(lab: HistoryLab) -> None:
    lab.add(DATA / "keras" / "by-hand")

    states = [(t.state, dict(t.metrics), dict(t.curves)) for t in lab.only().trials]
    assert states == [("complete", {"accuracy": 0.5}, {}), ("complete", {"accuracy": 0.625}, {})]


def test_the_metric_that_is_named_comes_first_with_its_goal_and_best_value(
    lab: HistoryLab,
) -> None:
    options = Options(metrics=("train/epoch_loss",), goals=("maximize",), reduce="best")
    lab.add(DATA / "keras" / "callback", options)
    study = lab.only()

    assert next(iter(study.metrics.items())) == ("train/epoch_loss", "maximize")
    for trial in study.trials:
        best = max(value for _, value in trial.curves["train/epoch_loss"])
        assert trial.metrics["train/epoch_loss"] == best


def test_a_metric_that_no_run_has_is_said_to_be_missing(lab: HistoryLab) -> None:
    report = lab.add(DATA / "keras" / "by-hand", Options(metrics=("loss",), goals=("minimize",)))

    assert report.studies[0].notes == ["no run has a metric 'loss'"]
    assert report.imported == 2


def test_a_keras_tuner_project_has_its_space_its_goals_and_its_objective_first(
    lab: HistoryLab,
) -> None:
    lab.add(DATA / "kerastuner" / "project")
    study = lab.only()
    adam, *_, sgd = study.trials

    assert study.kind == "kerastuner"
    assert dict(study.metrics) == dict.fromkeys(study.metrics, "minimize")
    assert next(iter(study.metrics)) == "val_loss"
    assert adam.params["optimizer"] == "adam"
    assert "momentum" not in adam.params, "inactive"
    assert sgd.params["momentum"] == 0.6
    assert sgd.metrics["val_loss"] == pytest.approx(0.4339250475168228)
    assert study.space is not None
    assert study.space["rate"].log
    assert study.space["units_0"].kind == "ordinal"
    assert study.space["momentum"].when[0].values == ("sgd",)
    assert study.constants == {"epochs": 3}


def test_the_logs_of_keras_tuner_hold_a_trial_for_each_execution(lab: HistoryLab) -> None:
    lab.add(DATA / "kerastuner" / "logs")
    study = lab.only()

    keys = [trial.key for trial in study.trials]
    assert keys == [f"{trial}/execution{n}" for trial in range(4) for n in range(2)]
    assert study.locator == str(DATA / "kerastuner" / "logs")
    assert {trial.params["layers"] for trial in study.trials} == {1, 2}
    assert len(study.trials[0].curves["validation/epoch_loss"]) == 3


def test_add_hparams_finds_the_curves_of_the_run_above_it(lab: HistoryLab) -> None:
    lab.add(DATA / "tensorboardx")
    study = lab.only()
    first, second, *shared = study.trials

    assert first.params == {"rate": 0.1, "optimizer": "adam", "nesterov": False}
    assert [step for step, _ in first.curves["loss"]] == [0, 1, 2, 3, 4]
    assert second.metrics["hparam/accuracy"] == pytest.approx(0.99)
    assert {trial.state for trial in study.trials} == {"complete"}
    assert [trial.params for trial in shared] == [{"rate": 0.3}, {"rate": 0.4}]
    assert [dict(trial.curves) for trial in shared] == [{}, {}], "whose they are is not known"
    assert lab.reasons() == {"shared": "holds curves and no hyperparameters"}


def objective(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("train.rate", 1e-4, 1e-1, log=True)
    layers = trial.suggest_int("layers", 1, 4)
    if trial.suggest_categorical("optimizer", ["adam", "sgd"]) == "sgd":
        trial.suggest_float("momentum", 0.0, 0.9)
    trial.set_user_attr("epochs", 3)
    for step in range(3):
        trial.report(rate * layers + step, step)
    if trial.number == 3:
        raise optuna.TrialPruned
    if trial.number == 4:
        raise ValueError("broken")
    return rate * layers


def make_studies(storage: optuna.storages.BaseStorage | str) -> optuna.Study:
    """Make a study with all kinds of trials, and one of two metrics."""
    sampler = optuna.samplers.RandomSampler(seed=7)
    study = optuna.create_study(
        storage=storage, study_name="one", direction="maximize", sampler=sampler
    )
    study.set_metric_names(["score"])
    study.set_user_attr("dataset", "digits")
    study.optimize(objective, n_trials=6, catch=ValueError)
    study.ask()
    study.enqueue_trial({"layers": 2})
    two = optuna.create_study(
        storage=storage, study_name="two", directions=["minimize", "maximize"], sampler=sampler
    )
    two.optimize(lambda t: (t.suggest_float("x", 0, 1), math.inf), n_trials=2)
    return study


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_an_optuna_study_is_imported_as_optuna_itself_reads_it(
    lab: HistoryLab, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "study.file"
    if kind == "sqlite":
        study = make_studies(f"sqlite:///{path}")
    else:
        backend = optuna.storages.journal.JournalFileBackend(str(path))
        study = make_studies(optuna.storages.JournalStorage(backend))
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    report = lab.add(path)
    found = lab.named("#one")

    assert (report.imported, report.rejected, report.unchanged) == (8, 2, 0)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == content, "it is only read"
    ended = [t for t in study.get_trials() if t.state.is_finished()]
    assert [trial.key for trial in found.trials] == [f"{t.number:07d}" for t in ended]
    for mine, theirs in zip(found.trials, ended, strict=True):
        assert mine.params == theirs.params
        assert mine.state == theirs.state.name.lower()
        assert dict(mine.curves["score"]) == theirs.intermediate_values
        expected = theirs.value if theirs.value is not None else None
        assert mine.metrics.get("score") == expected
        assert mine.metrics["epochs"] == 3
        assert theirs.datetime_complete is not None
        assert mine.finished == pytest.approx(theirs.datetime_complete.timestamp(), abs=0.001)
    assert found.metrics == {"score": "maximize"}, "epochs are no measurement"
    assert found.constants == {"dataset": "digits"}
    assert found.space is not None
    assert found.space["train.rate"].log
    assert found.space["momentum"].kind == "float"
    two = lab.named("#two")
    assert two.metrics == {"value_0": "minimize", "value_1": "maximize"}
    assert set(two.trials[0].metrics) == {"value_0"}, "infinity is no value"


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
@pytest.mark.parametrize("is_named", [False, True])
def test_a_trial_that_violates_a_constraint_is_infeasible(
    lab: HistoryLab, tmp_path: Path, kind: str, *, is_named: bool
) -> None:
    path = tmp_path / "study.file"
    storage: optuna.storages.BaseStorage | str = f"sqlite:///{path}"
    if kind == "journal":
        backend = optuna.storages.journal.JournalFileBackend(str(path))
        storage = optuna.storages.JournalStorage(backend)
    limits = [-1.0, 0.0, 0.1, math.inf]
    sampler = optuna.samplers.RandomSampler(seed=1)
    if not is_named:
        sampler = optuna.samplers.NSGAIISampler(  # type: ignore[assignment]
            seed=1, constraints_func=lambda trial: (-1.0, limits[trial.number])
        )

    def measure(trial: optuna.Trial) -> float:
        if is_named:
            trial.set_constraint("memory", limits[trial.number])
        return trial.suggest_float("x", 0, 1)

    study = optuna.create_study(storage=storage, direction="maximize", sampler=sampler)
    study.optimize(measure, n_trials=4)
    report = lab.add(path)
    trials = lab.only().trials

    assert [(t.state, t.cause) for t in trials[:2]] == [("complete", None)] * 2
    assert {(t.state, t.cause) for t in trials[2:]} == {("fail", "constraint")}
    assert "violate a constraint: infeasible" in report.studies[0].notes[0]
    assert not math.isfinite(read_outcomes(trials, "value").values[2]), "no good one"


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1.7e308])
def test_an_optuna_value_beyond_all_is_infeasible(
    lab: HistoryLab, tmp_path: Path, value: float
) -> None:
    """Many scripts return the largest float where a configuration cannot be built."""
    study = optuna.create_study(storage=f"sqlite:///{tmp_path / 'study.db'}")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1) and value, n_trials=1)
    lab.add(tmp_path / "study.db")
    (trial,) = lab.only().trials

    assert (trial.state, trial.cause, trial.metrics) == ("fail", "diverged", {})


def test_user_attributes_that_measure_nothing_are_no_metrics(
    lab: HistoryLab, tmp_path: Path
) -> None:
    def measure(trial: optuna.Trial) -> float:
        for name, value in (("seed", 7), ("fold", trial.number), ("val_f1", 1), ("size_mb", 2.5)):
            trial.set_user_attr(name, value)
        return trial.suggest_float("x", 0, 1)

    optuna.create_study(storage=f"sqlite:///{tmp_path / 'study.db'}").optimize(measure, n_trials=2)
    lab.add(tmp_path / "study.db")
    assert dict(lab.only().metrics) == {"value": "minimize", "val_f1": None, "size_mb": None}

    options = Options(metrics=("score", "fold"), goals=("minimize", None))
    lab.add(tmp_path / "study.db", options)
    assert lab.only().metrics["fold"] is None, "unless the user names it"
    assert lab.only().trials[1].metrics["fold"] == 1


def test_one_study_of_a_database_can_be_chosen(lab: HistoryLab, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    make_studies(url)
    lab.add(f"{url}#two")

    assert lab.only().locator.endswith("study.db#two")
    with pytest.raises(NotFoundError, match="has no study 'three'; known: one, two"):
        lab.add(f"{url}#three")


def test_a_table_of_optuna_trials_is_read_as_such(lab: HistoryLab, tmp_path: Path) -> None:
    study = make_studies(f"sqlite:///{tmp_path / 'study.db'}")
    header = "number,value,datetime_start,datetime_complete,duration,params_layers,"
    header += "params_train.rate,user_attrs_epochs,state"
    rows = [
        f"{t.number},{'' if t.value is None else t.value},{t.datetime_start},"
        f"{t.datetime_complete or ''},0 days,{t.params.get('layers', '')},"
        f"{t.params.get('train.rate', '')},3,{t.state.name}"
        for t in study.get_trials()
    ]
    path = tmp_path / "trials.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    report = lab.add(path)

    assert (report.imported, report.rejected) == (6, 2)
    trials = lab.only().trials
    assert [t.state for t in trials] == ["complete"] * 3 + ["pruned", "fail", "complete"]
    assert trials[0].params == {
        name: study.trials[0].params[name] for name in ("layers", "train.rate")
    }
    complete = study.trials[0].datetime_complete
    assert complete is not None
    assert trials[0].finished == pytest.approx(complete.timestamp(), abs=0.001)


def test_a_name_of_kerastuner_with_two_ranges_is_two_parameters_and_is_read_again(
    lab: HistoryLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def item(name: str, values: list[object], *when: str) -> dict[str, object]:
        parent = {"class_name": "Parent", "config": {"name": "optimizer", "values": list(when)}}
        conditions = [parent] if when else []
        config = {"name": name, "values": values, "ordered": False, "conditions": conditions}
        return {"class_name": "Choice", "config": config}

    space = [item("optimizer", ["adam", "sgd"]), item("rate", [1, 2], "adam")]
    space.append(item("rate", [10, 20], "sgd"))
    oracle = {"hyperparameters": {"space": space, "values": {}}}
    (tmp_path / "oracle.json").write_text(json.dumps(oracle))
    for number, values in enumerate(
        [{"optimizer": "adam", "rate": 2}, {"optimizer": "sgd", "rate": 10}]
    ):
        history = {"direction": "max", "observations": [{"value": [0.5], "step": 0}]}
        trial = {
            "hyperparameters": {"space": [], "values": values},
            "metrics": {"metrics": {"val_accuracy": history}},
            "score": 0.5,
            "status": "COMPLETED",
        }
        folder = tmp_path / f"trial_{number}"
        folder.mkdir()
        (folder / "trial.json").write_text(json.dumps(trial))
    # As an earlier release read it: the first definition alone, and the stamps of then.
    with monkeypatch.context() as earlier:
        earlier.setattr(kerastuner, "own_values", lambda _items, values: dict(values))
        earlier.setattr(importing, "_VERSION", 3)
        earlier.setattr(kerastuner.KerasTunerStudy, "_suffix", "")
        lab.add(tmp_path)

    assert lab.add(tmp_path).imported == 2
    study = lab.only()
    assert [dict(trial.params) for trial in study.trials] == [
        {"optimizer": "adam", "rate": 2},
        {"optimizer": "sgd", "rate.sgd": 10},
    ]
    assert study.space is not None
    assert study.space["rate.sgd"].values == (10, 20)
