"""Commands that are not told everything: the newest study, the best trial, what may be meant."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.commands import Cli
from tuner.cli.following.choice import Chosen, read_choice
from tuner.service.service import Service
from tuner.settings import load_settings
from tuner.spec import parse_spec
from tuner.storage import open_storage

SPEC = {
    "project": "demo",
    "study": "old",
    "objective": "toy:train",
    "metric": {"name": "score", "goal": "maximize"},
    "search_space": {"model.x": {"type": "float", "low": 0.0, "high": 1.0}},
    "budget": {"trials": 3},
}


@pytest.fixture(autouse=True)
def _studies() -> None:
    """Two studies in the home's database: demo/old, then vision/mlp."""
    settings = load_settings(os.environ)
    storage = open_storage(settings.database_url, create=True)
    service = Service(storage, settings)
    service.submit(parse_spec(SPEC).to_json())
    service.submit(parse_spec(SPEC | {"project": "vision", "study": "mlp"}).to_json())
    storage.close()


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        ([], Chosen()),
        (["a/b"], Chosen(study="a/b")),
        (["7"], Chosen(trial=7)),
        (["best"], Chosen(trial="best")),
        (["a/b", "7"], Chosen(study="a/b", trial=7)),
        (["a/b", "best"], Chosen(study="a/b", trial="best")),
    ],
)
def test_study_and_trial_are_told_apart(words: list[str], chosen: Chosen) -> None:
    assert read_choice([*words, None, None][:2]) == chosen


@pytest.mark.parametrize("command", ["status", "events", "best", "explain", "replay"])
def test_without_a_study_the_newest_is_read_and_named_on_standard_error(
    cli: Cli, command: str
) -> None:
    code, out, err = cli(command, "--json")

    assert code == 0
    assert err == "vision/mlp (the newest study)\n"
    named = cli(command, "vision/mlp", "--json")
    assert named[::2] == (0, "")
    # Of a study that runs the hours grow.
    assert command == "status" or named[1] == out
    assert command != "status" or json.loads(out)["study"] == "vision/mlp"


def test_without_a_study_the_newest_is_changed(cli: Cli) -> None:
    def states() -> dict[str, str]:
        return {row["study"]: row["state"] for row in json.loads(cli("list", "--json")[1])}

    assert "vision/mlp (the newest study)" in cli("pause")[2]
    assert states() == {"vision/mlp": "paused", "demo/old": "running"}
    assert cli("resume")[0] == 0
    assert cli("edit", "budget.trials=7")[0] == 0
    assert json.loads(cli("status", "vision/mlp", "--json")[1])["budget"]["trials"] == 7
    assert json.loads(cli("status", "demo/old", "--json")[1])["budget"]["trials"] == 3
    assert cli("stop")[0] == 0
    assert states()["demo/old"] == "running"


@pytest.mark.parametrize("command", ["delete", "cancel"])
def test_what_cannot_be_undone_needs_a_name(cli: Cli, command: str) -> None:
    code, _, err = cli(command)

    assert code == 2
    assert "STUDY" in err
    assert len(json.loads(cli("list", "--json")[1])) == 2


def test_the_best_trial_of_a_study_without_results_is_none(cli: Cli) -> None:
    for words in (["show", "best"], ["logs", "vision/mlp", "best"], ["explain", "best"], ["show"]):
        code, _, err = cli(*words)
        assert code == 2
        assert "vision/mlp: no trial is complete yet" in err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["best", "mlp"], 'did you mean "vision/mlp"?'),
        (["best", "mpl"], 'did you mean "vision/mlp"?'),
        (["best", "Vision/mlp"], 'did you mean "vision/mlp"?'),
        (["best", "vision/mpl"], 'did you mean "vision/mlp"?'),
        (["best", "visoin/mlp"], 'did you mean "vision/mlp"?'),
        (["delete", "other/old", "--yes"], 'did you mean "demo/old"?'),
        (["statsu"], "Did you mean 'status'?"),
        (["workers", "lst"], "Did you mean 'list'?"),
        (["best", "-n", "x"], "'x' is not a whole number"),
        (["best", "-n", "0"], "0 is too small: 1 is the least"),
        (["check", "x.yaml", "--timeout", "soon"], "'soon' is not a number"),
        (["serve", "--port", "99999999"], "99999999 is too large: 65535 is the most"),
        (["run", "x.yaml", "--isolation", "no"], "'no' is not one of 'fork', 'spawn'"),
        (
            ["show", "vision/mlp", "first"],
            "'first' is not a trial; give its number, from 0, or: best",
        ),
        (["show", "demo/old", "0", "1"], "unexpected extra argument"),
        (["cancel", "vision/mlp", "x"], "'x' is not a whole number"),
    ],
)
def test_a_mistake_is_answered_in_words_of_ours(cli: Cli, args: list[str], said: str) -> None:
    code, _, err = cli(*args)

    assert code == 2
    assert said.lower() in err.lower(), err
    for word in ("pydantic", "Input should", "unable to parse", "Value error", "Traceback"):
        assert word not in err


def test_a_file_that_is_nearly_there_is_named(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlp.yaml").touch()
    monkeypatch.chdir(tmp_path)

    for word in ("mpl.yaml", "mlp.yml", "mlp"):
        assert 'did you mean "mlp.yaml"?' in cli("run", word)[2]


def test_a_database_of_a_server_is_not_looked_for_in_the_own_home(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TUNER_API_URL", "http://tuner.example:8080")
    monkeypatch.setenv("TUNER_HOME", str(tmp_path / "worker"))

    for words in (["upgrade"], ["backup", "x"], ["restore", "x"]):
        code, _, err = cli("db", *words)
        assert code == 2
        assert (
            "TUNER_API_URL=http://tuner.example:8080: the database is the one of that server" in err
        )
    assert not (tmp_path / "worker").exists()
    monkeypatch.setenv("TUNER_DATABASE_URL", f"sqlite:///{tmp_path}/named.db")
    assert cli("db", "upgrade")[0] == 0


def test_an_empty_home_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TUNER_HOME", str(tmp_path / "nothing"))

    assert f"no studies yet in {tmp_path}/nothing; start one with: " in cli("list")[2]
