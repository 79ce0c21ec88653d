"""Files of trials, comparison and what is taken away, as the tab's server gives them."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from tuner.board.best_trials.answers.compare import compare_document
from tuner.board.best_trials.answers.files import MOST_BYTES, read_file
from tuner.board.best_trials.answers.requests import ProblemError, Query
from tuner.board.best_trials.answers.takeaway import takeaway_answer
from tuner.board.best_trials.table.model import Column, Metric, Row, Table
from tuner.roots import Place

KEYS = ("trial", "objective", "params.rate", "params.big", "params.note", "params.on")
PARAMS: dict[str, Any] = {
    "rate": 0.001408, "big": 9007199254740993, "on": True,
    "note": "=1+1 \"quoted\" \u202e Größe \x1b[31m \ud800 🜁",
}  # fmt: skip


@pytest.fixture
def base(tmp_path: Path) -> Place:
    root = tmp_path / "logs"
    for number in range(2):
        run = root / f"t{number}"
        run.mkdir(parents=True)
        config = {
            "trial": number, "params": {"rate": number}, "host": f"host-{number}",
            "versions": {"python": "3.11"}, "spec": {"budget": {"trials": 5 + number}},
        }  # fmt: skip
        (run / "config.json").write_text(json.dumps(config))
        (run / "output.log").write_text("".join(f"line {n}\n" for n in range(1000)))
    (tmp_path / "secret.txt").write_text("secret")
    return Place(root)


@pytest.fixture
def table() -> Table:
    rows = [
        Row(trial=0, run="t0", state="complete", objective=0.5, rank=1, params=PARAMS),
        Row(trial=1, run="t1", state="fail", cause="oom", params={"rate": 0.1, "on": "true"}),
    ]
    columns = [
        Column(key=key, label=key, group="param" if "." in key else "fact", type="text")
        for key in KEYS
    ]
    metrics = [Metric(name="score", goal="maximize")]
    return Table(study="a/b", source="tuner", rows=rows, columns=columns, metrics=metrics)


def ask(**parameters: str) -> Query:
    return Query(Request(EnvironBuilder(query_string=parameters).get_environ()))


def test_the_end_of_the_output_begins_with_a_line(base: Place) -> None:
    content = read_file(base, "t0", "output.log", 25)

    assert content == b"line 998\nline 999\n"
    assert read_file(base, "t0", "output.log", 1 << 20).startswith(b"line 0\n")


@pytest.mark.parametrize(
    "run", ["..", "../logs/t0", "/etc", "t0/..", "", "\0", "nobody", "a" * 900]
)
def test_no_file_is_read_but_of_a_run_below_the_base(base: Place, run: str) -> None:
    with pytest.raises(ProblemError) as caught:
        read_file(base, run, "config.json")
    assert caught.value.status in (400, 404)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "second name", "large"])
def test_what_is_no_file_of_the_run_is_said_and_not_read(base: Place, kind: str) -> None:
    path = base.path / "t0" / "config.json"
    path.unlink()
    secret = base.path.parent / "secret.txt"
    {
        "link": lambda: path.symlink_to(secret),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "second name": lambda: path.hardlink_to(secret),
        "large": lambda: path.write_bytes(bytes(MOST_BYTES + 1)),
    }[kind]()

    with pytest.raises(ProblemError, match=r"config\.json of this trial"):
        read_file(base, "t0", "config.json")


def test_what_differs_comes_first_and_what_names_the_trial_is_left_out(
    base: Place, table: Table
) -> None:
    document = compare_document(table, ["0", "1"], base)

    assert document["trials"] == [0, 1]
    assert [line["name"] for line in document["params"] if line["differs"]] == [
        "rate",
        "big",
        "note",
        "on",
    ]
    assert document["params"][1]["values"] == [{"int": "9007199254740993"}, None]
    assert document["config"] == [{"path": "spec.budget.trials", "differs": True, "values": [5, 6]}]
    assert [line["path"] for line in document["environment"]] == ["host", "versions.python"]
    assert [line["differs"] for line in document["environment"]] == [True, False]


@pytest.mark.parametrize("names", [["0"], ["0", "7"], list("012345"), []])
def test_other_than_two_to_five_trials_are_refused(
    base: Place, table: Table, names: list[str]
) -> None:
    with pytest.raises(ProblemError):
        compare_document(table, names, base)


def test_a_csv_holds_every_column_and_no_formula(table: Table) -> None:
    answer = takeaway_answer(ask(format="csv"), table, table.rows)
    first, second = csv.DictReader(io.StringIO(answer.get_data(as_text=True)))

    assert tuple(first) == KEYS
    assert (first["params.rate"], first["params.big"], first["params.on"]) == (
        "0.001408", "9007199254740993", "true",
    )  # fmt: skip
    assert first["params.note"].startswith("'=1+1")
    assert second["objective"] == second["params.big"] == ""
    assert answer.headers["Content-Disposition"] == 'attachment; filename="a-b.csv"'


def test_json_keeps_the_types(table: Table) -> None:
    document = json.loads(takeaway_answer(ask(format="json"), table, table.rows).get_data())

    assert document["rows"][0]["params"] == PARAMS
    assert document["rows"][1]["params"]["on"] == "true"
    assert document["metrics"] == [{"name": "score", "goal": "maximize"}]


def test_yaml_begins_a_study_with_the_chosen_configurations(table: Table) -> None:
    answer = takeaway_answer(ask(format="yaml", trials="0,1"), table, table.rows)
    document = YAML(typ="safe").load(answer.get_data(as_text=True))

    first, second = document["start_with"]
    assert {**first, "note": ""} == {**PARAMS, "note": ""}
    assert first["note"].startswith('=1+1 "quoted" \u202e Größe \x1b[31m')
    assert second == {"rate": 0.1, "on": "true"}


def test_without_a_choice_yaml_holds_the_best_alone(table: Table) -> None:
    answer = takeaway_answer(ask(format="yaml"), table, table.rows)

    assert len(YAML(typ="safe").load(answer.get_data(as_text=True))["start_with"]) == 1
