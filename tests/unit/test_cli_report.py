"""`tuner report`: the numbers of the database in one file, with what lies beside the logs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.support.history.database import HistoryDatabase, complete, grid, history_database
from tuner.cli.commands import report as command
from tuner.cli.writing.report_data import read_report
from tuner.errors import SetupError
from tuner.roots import Place
from tuner.settings import Settings, load_settings
from tuner.spec import parse_spec
from tuner.tfevents import write_json

STUDY = "vision/mlp"


@pytest.fixture
def base(tmp_path: Path) -> Iterator[HistoryDatabase]:
    with history_database(tmp_path) as base:
        yield base


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"TUNER_HOME": str(tmp_path)})


def test_a_report_has_every_trial_the_best_first_and_why_others_failed(
    base: HistoryDatabase, settings: Settings
) -> None:
    failed = complete({"train.rate": 0.1}, 9.0, state="fail", objective=None, cause="oom",
                      error="no memory\nof 24 GB", values_json=None)  # fmt: skip
    base.add_study("mlp", [*(complete(p, i / 30) for i, p in enumerate(grid(30))), failed])

    report = read_report(base.service, settings, STUDY, "today")

    assert report.study["best"]["trial"] == report.trials["rows"][0]["trial"] == 29
    assert [row["rank"] for row in report.trials["rows"]] == list(range(1, 26))
    assert report.points["trial"] == list(range(31))
    assert report.points["state"].count("fail") == 1
    assert report.points["columns"]["cause"][-1] == "oom"
    assert report.points["columns"]["reason"][-1] == "no memory\nof 24 GB"
    assert report.points["columns"]["params.train.momentum"][-1] is None
    columns = {column["label"]: column for column in report.trials["columns"]}
    assert columns["train.momentum"]["conditional"]
    assert not columns["train.rate"]["conditional"]


def test_the_lines_to_run_the_best_again_are_taken_by_a_spec(
    base: HistoryDatabase, settings: Settings
) -> None:
    base.add_study("mlp", [complete({"train.rate": 0.00012, "train.momentum": 0.25}, 1.0)])
    report = read_report(base.service, settings, STUDY, "today")

    start_with = YAML(typ="safe", pure=True).load(report.yaml)
    spec = parse_spec(
        {
            "project": "vision",
            "study": "again",
            "objective": "m:f",
            "metric": {"name": "score", "goal": "maximize"},
            "search_space": {
                "train.rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
                "train.momentum": {"type": "float", "low": 0.0, "high": 1.0},
            },
            "budget": {"trials": 1},
            **start_with,
        }
    )

    assert [dict(params) for params in spec.start_with] == [
        {"train.rate": 0.00012, "train.momentum": 0.25}
    ]


def test_insights_and_ranges_come_from_the_files_of_the_study_and_damage_there_is_no_matter(
    base: HistoryDatabase, settings: Settings
) -> None:
    base.add_study("mlp", [complete(params, 1.0) for params in grid(3)])
    own = Place(settings.log_root, f"{STUDY}/_study")
    write_json(own, "insights.json", {"advice": [{"text": "more trials"}]})
    write_json(own, "study.json", {"parameters": [{"name": "train.rate", "low": 1e-4}, 5]})
    whole = read_report(base.service, settings, STUDY, "today")
    for name in ("insights.json", "study.json"):
        (own.path / name).write_text(json.dumps([1, 2]))
    damaged = read_report(base.service, settings, STUDY, "today")

    rates = [c["low"] for c in whole.trials["columns"] if c["label"] == "train.rate"]
    assert rates == [1e-4]
    assert whole.insights["advice"] == [{"text": "more trials"}]
    assert damaged.insights.keys() == {"trials", "importance"}
    assert len(damaged.trials["rows"]) == 3


def test_a_whole_number_that_a_browser_cannot_hold_is_not_rounded(
    base: HistoryDatabase, settings: Settings
) -> None:
    base.add_study("mlp", [complete({"seed": 2**60 + 1, "train.rate": 0.1}, 1.0)])
    report = read_report(base.service, settings, STUDY, "today")

    assert report.points["columns"]["params.seed"] == [{"int": str(2**60 + 1)}]


def test_a_study_without_a_trial_makes_a_report_as_well(
    base: HistoryDatabase, settings: Settings
) -> None:
    base.add_study("mlp", [])
    report = read_report(base.service, settings, STUDY, "today")

    assert report.trials["rows"] == []
    assert report.yaml == ""


def test_a_file_is_replaced_whole_and_one_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    path = tmp_path / "study.html"
    path.write_text("before")
    command._write(path, b"after")
    (tmp_path / "folder").mkdir()
    command._write(Path(os.devnull), b"gone")

    assert Path(os.devnull).is_char_device()
    assert path.read_text() == "after"
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["study.html"]
    for wrong in ("folder", "none/study.html"):
        with pytest.raises(SetupError, match=r"cannot be written: .*; choose another with -o"):
            command._write(tmp_path / wrong, b"")
