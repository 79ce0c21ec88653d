"""Tuner's own trials as history: from the files of a log root, and from the database itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.history.lab import HistoryLab, open_lab
from tuner.exporters import repair_run
from tuner.service.service import Service
from tuner.settings import load_settings
from tuner.spec import parse_spec
from tuner.storage import tables

SPEC = {
    "project": "vision",
    "study": "digits",
    "objective": "toy:train",
    "metric": {"name": "score", "goal": "maximize"},
    "search_space": {
        "rate": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
        "epochs": {"type": "fixed", "value": 3},
    },
    "budget": {"trials": 3},
}


@pytest.fixture
def lab(database_url: str) -> Iterator[HistoryLab]:
    with open_lab(database_url) as lab:
        yield lab


def write_own(root: Path, number: int, **changes: Any) -> dict[str, Any]:
    """Write a trial of Tuner's as its coordinator does; return its `trial.json`."""
    params = {"rate": 0.01 * (number + 1), "epochs": 3}
    record = {
        "version": 1,
        "study": "vision/digits",
        "trial": number,
        "attempt": 1,
        "run_dir": f"vision/digits/trial_{number:05d}-20261122T231005Z",
        "outcome": "COMPLETE",
        "is_outcome": True,
        "cause": None,
        "objective": 0.1 + number,
        "values": [0.1 + number],
        "metrics": {"size": 20.0},
        "params": params,
        "seed": 1000 + number,
        "curve": [[1, 0.05, 101.0], [2, 0.1 + number, 102.0]],
        "started": "2026-11-22T23:10:05.123Z",
        "finished": "2026-11-22T23:20:05.000Z",
        **changes,
    }
    config = {
        "params": params,
        "metrics": [{"name": "score", "goal": "maximize"}],
        "spec": parse_spec(SPEC).to_json(),
        "data": {"fingerprint": "d" * 64},
        "code": {"snapshot": "c" * 64},
        "image": None,
    }
    repair_run(root, config, record)
    return record


def test_a_log_root_is_imported_with_space_goal_fingerprints_and_exact_values(
    lab: HistoryLab, tmp_path: Path
) -> None:
    write_own(tmp_path, 0)
    write_own(tmp_path, 1, outcome="PRUNED")
    write_own(tmp_path, 2, outcome="FAIL", cause="oom", values=[], objective=None, metrics={})
    write_own(tmp_path, 3, is_outcome=False, outcome="LOST")
    report = lab.add(tmp_path)
    study = lab.only()
    first, second, third = study.trials

    assert (report.imported, report.rejected) == (3, 1)
    assert list(lab.reasons().values()) == ["an attempt that did not become its trial's outcome"]
    assert study.kind == "study"
    assert study.metrics == {"score": "maximize", "size": None}
    assert study.space is not None
    assert study.space["rate"].log
    assert study.constants == {"epochs": 3}
    assert (study.data, study.code, study.image) == ("d" * 64, "c" * 64, None)
    assert first.metrics == {"score": 0.1, "size": 20.0}, "exact, not as float32"
    assert first.curves == {"score": ((1, 0.05), (2, 0.1))}
    assert first.finished == pytest.approx(1795389605.0)
    assert (second.state, second.metrics["score"]) == ("pruned", 1.1)
    assert (third.state, third.cause, third.metrics) == ("fail", "oom", {})


def test_without_a_usable_trial_json_the_event_file_stands_in(
    lab: HistoryLab, tmp_path: Path
) -> None:
    for number in range(3):
        record = write_own(tmp_path, number)
        folder = tmp_path / record["run_dir"]
        (folder / "trial.json").write_text('{"half')
        if number == 1:
            (folder / "config.json").unlink()
    lab.add(tmp_path)

    for number, trial in enumerate(lab.only().trials):
        assert trial.state == "complete"
        assert trial.params == {"rate": pytest.approx(0.01 * (number + 1)), "epochs": 3}
        assert trial.metrics["score"] == pytest.approx(0.1 + number)
        assert [step for step, _ in trial.curves["score"]] == [1, 2]


def test_trials_of_this_database_are_recognised_in_its_log_root(
    lab: HistoryLab, tmp_path: Path
) -> None:
    Service(lab.storage, load_settings({})).submit(parse_spec(SPEC).to_json())
    for number in range(3):
        record = write_own(tmp_path, number)
        if number != 2:
            # The same place in another database, whose trial was another one.
            put_trial(lab, record, seed=record["seed"] + (number == 1))
    report = lab.add(tmp_path)

    assert report.studies[0].own == 1
    assert (report.imported, report.unchanged) == (2, 1)
    imported, own = sorted(lab.store.studies(), key=lambda study: study.is_own)
    assert (own.key, own.trials) == ("vision/digits", 2)
    assert [trial.params["rate"] for trial in lab.store.load(imported.key).trials] == [0.02, 0.03]


def put_trial(lab: HistoryLab, record: dict[str, Any], *, seed: int) -> None:
    """Put a finished trial into the database of the lab, as the coordinator would have."""
    with lab.storage.begin() as connection:
        study_id = connection.execute(sa.select(tables.studies.c.id)).scalar_one()
        number = record["trial"]
        values = {"state": "complete", "params_json": "{}", "seed": seed, "proposal_json": "{}"}
        at = {"study_id": study_id, "number": number}
        connection.execute(
            tables.trials.insert().values(**at, **values, optuna_id=number, created=1.0)
        )
        connection.execute(
            tables.attempts.insert().values(
                **at,
                id=f"s1-t{number}-a1",
                no=1,
                state="done",
                run_dir=record["run_dir"],
                created=1,
            )
        )


def test_a_service_s_own_studies_are_read_where_they_are(lab: HistoryLab) -> None:
    Service(lab.storage, load_settings({})).submit(parse_spec(SPEC).to_json())
    assert lab.store.studies() == [], "no trial has ended"
    with lab.storage.begin() as connection:
        fill_study(connection)
    study = lab.only()
    complete, failed = study.trials

    assert study.key == "vision/digits"
    assert study.metrics == {"score": "maximize"}
    assert study.constants == {"epochs": 3}
    assert complete.metrics == {"score": 0.75, "size": 3.0}
    assert complete.curves == {"score": ((1, 0.5), (2, 0.75)), "loss": ((1, 2.0),)}
    assert (failed.state, failed.cause, failed.metrics, failed.curves) == ("fail", "oom", {}, {})
    assert lab.store.load(study.key, curves=False).trials[0].curves == {}
    assert lab.store.studies()[0].version == study.version


def fill_study(connection: sa.Connection) -> None:
    """Put a trial of two attempts, a failed one and a running one into the only study."""
    study_id = connection.execute(sa.select(tables.studies.c.id)).scalar_one()
    common = {"study_id": study_id, "seed": 1, "proposal_json": "{}", "created": 1.0}
    done = {"values_json": "[0.75]", "metrics_json": '{"size": 3.0, "bad": "nan"}'}
    ends = {"outcome_attempt": "s1-t0-a2", "finished": 9.0, "params_json": '{"rate": 0.05}'}
    trial = tables.trials.insert()
    connection.execute(
        trial.values(**common, number=0, optuna_id=0, state="complete", **done, **ends)
    )
    oom = {"state": "fail", "cause": "oom", "finished": 8.0, "params_json": "{}"}
    connection.execute(trial.values(**common, number=1, optuna_id=1, **oom))
    connection.execute(
        trial.values(**common, number=2, optuna_id=2, state="running", params_json="{}")
    )
    for no in (1, 2, 3):
        row = {"id": f"s1-t0-a{no}", "no": no, "state": "done", "run_dir": "x", "created": 1}
        connection.execute(tables.attempts.insert().values(study_id=study_id, number=0, **row))
    # The second attempt went on after step 1; the third is not the outcome.
    for no, step, value, beside in (
        (1, 1, 0.5, '{"loss": 2.0}'),
        (2, 2, 0.75, None),
        (3, 3, 9, None),
    ):
        row = {"no": no, "step": step, "value": value, "metrics_json": beside, "time": 1.0}
        connection.execute(tables.reports.insert().values(study_id=study_id, number=0, **row))
