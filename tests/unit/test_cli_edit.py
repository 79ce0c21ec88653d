"""`tuner edit` and `tuner retry --spec` in this process, without a service."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import Cli, make_cli
from tests.unit.test_cli_commands import SPEC
from tuner.cli.commands.edit import read_pairs
from tuner.errors import SpecError
from tuner.security.account import account
from tuner.service.service import Service
from tuner.settings import load_settings
from tuner.spec import parse_spec
from tuner.storage import open_storage

STUDY = "demo/toy"


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process; gives exit code, standard output and standard error."""
    settings = load_settings(os.environ)
    storage = open_storage(settings.database_url, create=True)
    Service(storage, settings).submit(parse_spec(SPEC).to_json())
    storage.close()

    return make_cli(capsys)


def test_edit_prints_each_change(cli: Cli) -> None:
    keys = ("budget.trials=200", "parallel=8", "pruner=asha", "priority=1", "trial.timeout=30m")
    code, out, err = cli("edit", STUDY, *keys)

    assert (code, out) == (0, "")
    assert err.splitlines() == [
        "demo/toy: pruner.name: none → asha",
        "demo/toy: budget.trials: 3 → 200",
        "demo/toy: parallel: none → 8",
        "demo/toy: trial.timeout: none → 1800",
        "demo/toy: priority: 0 → 1",
    ]
    assert cli("edit", STUDY, *keys)[2] == (
        "demo/toy: nothing to change, it already has these values\n"
    )
    events = json.loads(cli("events", STUDY, "--json")[1])
    assert [(e["kind"], e["actor"]) for e in events[1:]] == [("study-edited", account())]


def test_edit_prints_one_document_with_json(cli: Cli) -> None:
    code, out, err = cli("edit", STUDY, "parallel=8", "--json")

    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "study": STUDY,
        "state": "running",
        "changes": [{"key": "parallel", "old": None, "new": 8}],
    }


def test_edit_says_every_problem_and_changes_nothing(cli: Cli) -> None:
    before = status(cli)
    code, out, err = cli("edit", STUDY, "parallel=8", "budget.trails=9", "priority=much")

    assert (code, out) == (2, "")
    assert 'did you mean "budget.trials"?' in err
    assert 'priority: "much": a whole number' in err
    assert "may change: pruner, " in err
    assert status(cli) == before


def status(cli: Cli) -> dict[str, Any]:
    """Return the status of the study, without the clock that runs."""
    document: dict[str, Any] = json.loads(cli("status", STUDY, "--json")[1])
    del document["budget"]["used_hours"]
    return document


def test_values_are_yaml_as_in_a_spec() -> None:
    pairs = ["pruner={name: asha, reduction_factor: 4}", "budget.hours=1.5", "parallel=none"]

    assert read_pairs([*pairs, 'trial.timeout="90"', "a=b=c"]) == {
        "pruner": {"name": "asha", "reduction_factor": 4},
        "budget.hours": 1.5,
        "parallel": "none",
        "trial.timeout": "90",
        "a": "b=c",
    }


def test_every_argument_that_is_no_pair_is_named() -> None:
    with pytest.raises(SpecError) as refused:
        read_pairs(["parallel", "=8", "parallel=", "priority=1", "priority=2", "pruner={a", "a=*b"])

    lines = str(refused.value).splitlines()
    starts = ["'parallel': write KEY", "'=8': ", "'parallel=': ", "priority: given twice"]
    starts += ["pruner:1:", "a:1:1: *b: no aliases"]
    assert [line.startswith(start) for line, start in zip(lines, starts, strict=True)] == [True] * 6


def test_retry_takes_the_code_of_a_spec(cli: Cli, tmp_path: Path) -> None:
    spec = tmp_path / "toy.yaml"
    spec.write_text(json.dumps(SPEC))
    (tmp_path / "toy.py").write_text("def train(run):\n    return 1.0\n")
    first = cli("retry", STUDY, "--failed", "--spec", str(spec))
    second = cli("retry", STUDY, "--spec", str(spec))
    spec.write_text(json.dumps({**SPEC, "study": "other"}))
    other = cli("retry", STUDY, "--spec", str(spec))

    assert first[0] == 0
    assert "demo/toy: code: none → " in first[2]
    assert "for trials from now on" in first[2]
    assert "no trial has failed" in first[2]
    assert "the code is the same as before" in second[2]
    assert (other[0], "that of demo/other, not of demo/toy" in other[2]) == (2, True)
