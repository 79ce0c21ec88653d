from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.commands import Cli
from tuner.errors import UnavailableError
from tuner.local.home import home_lock
from tuner.service.service import Service
from tuner.settings import Settings, load_settings
from tuner.spec import parse_spec
from tuner.storage import open_storage

SPEC = {
    "project": "demo",
    "study": "toy",
    "objective": "toy:train",
    "metric": {"name": "score", "goal": "maximize"},
    "search_space": {"model.x": {"type": "float", "low": 0.0, "high": 1.0}},
    "budget": {"trials": 3},
}


@pytest.fixture
def settings() -> Settings:
    return load_settings(os.environ)


@pytest.fixture
def study(settings: Settings) -> str:
    """A study in the home's database; no service runs."""
    storage = open_storage(settings.database_url, create=True)
    document = Service(storage, settings).submit(parse_spec(SPEC).to_json())
    storage.close()
    return str(document["study"])


@pytest.mark.parametrize(
    "args",
    [
        ("list",),
        ("status", "demo/toy"),
        ("best", "demo/toy"),
        ("events", "demo/toy"),
        ("workers", "list"),
        ("workers", "demand"),
    ],
)
def test_reading_prints_one_json_document_and_nothing_else(
    cli: Cli, study: str, args: tuple[str, ...]
) -> None:
    code, out, err = cli(*args, "--json")

    assert code == 0
    json.loads(out)
    assert err == ""


def test_reading_creates_and_starts_nothing(cli: Cli, settings: Settings) -> None:
    listed = cli("list", "--json")
    shown = cli("status", "demo/toy")

    assert listed[:2] == (0, "[]\n")
    assert shown[0] == 2
    assert "nothing was ever run here" in shown[2]
    assert not settings.home.exists()


def test_status_says_what_the_service_says(cli: Cli, study: str) -> None:
    document = json.loads(cli("status", study, "--json")[1])

    assert document["study"] == "demo/toy"
    assert document["state"] == "running"
    assert document["budget"]["trials"] == 3
    assert "demo/toy" in cli("status", study)[1]
    assert "0/3" in cli("list")[1]


def test_a_study_is_steered_without_a_service(cli: Cli, study: str) -> None:
    def state() -> str:
        return str(json.loads(cli("status", study, "--json")[1])["state"])

    assert cli("pause", study)[0] == 0
    assert state() == "paused"
    assert cli("resume", study)[0] == 0
    assert state() == "running"
    assert cli("retry", study)[0] == 0
    assert cli("cancel", study)[0] == 0
    # Its workers may still have to be told, which is the coordinator's part.
    assert state() in ("stopping", "cancelled")
    code, _, err = cli("pause", study)
    assert (code, "cancelled" in err) == (2, True)


def test_delete_asks_first(
    cli: Cli, study: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = settings.log_root / study
    logs.mkdir(parents=True)
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: PTH123, SIM115 - closed with the process
    refused = cli("delete", study)

    assert refused[0] == 1
    assert "nothing was deleted" in refused[2]
    assert logs.exists()
    assert cli("delete", study, "--yes")[0] == 0
    assert not logs.exists()
    assert cli("status", study)[0] == 2


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("status", "nostudy"), "project/study"),
        (("status", "../x"), "project/study"),
        (("status", "a/b/c"), "project/study"),
        (("status", "Demo/toy"), "project/study"),
        (("status", f"demo/{'x' * 300}"), "project/study"),
        (("show", "demo/toy", "-1"), "-1"),
        (("show", "demo/toy", "one"), "TRIAL"),
        (("best", "demo/toy", "-n", "0"), "-n"),
        (("logs", "demo/toy", "0", "-f", "--json"), "-f"),
        (("submit", "x.yaml", "--fail-under", "1"), "--watch"),
        (("nonsense",), "nonsense"),
        (("workers", "scale", "many"), "'N'"),
        (("status", "demo/other"), "newest: demo/toy"),
        (("show", "demo/toy", "7"), "has no trial 7"),
        (("workers", "drain", "nobody"), "nobody"),
        (("run", "no-such-file.yaml"), "no-such-file.yaml"),
    ],
)
def test_wrong_input_is_named_and_exits_with_2(
    cli: Cli, study: str, args: tuple[str, ...], said: str
) -> None:
    code, out, err = cli(*args)

    assert code == 2
    assert said in err
    assert out == ""
    assert "Traceback" not in err


def test_a_broken_spec_creates_nothing(cli: Cli, settings: Settings, tmp_path: Path) -> None:
    spec = tmp_path / "wrong.yaml"
    spec.write_text("project: demo\nstudy: Wrong Name\nmetrix: 3\n")
    for command in ("run", "submit", "check"):
        code, out, err = cli(command, str(spec))

        assert code == 2
        assert f"{spec}:2:" in out + err
        assert not settings.home.exists()


def test_code_that_is_nowhere_is_said_before_anything_starts(
    cli: Cli, settings: Settings, tmp_path: Path
) -> None:
    spec = tmp_path / "study.yaml"
    spec.write_text(json.dumps({**SPEC, "objective": "no_such_module_anywhere:train"}))

    code, _, err = cli("run", str(spec))

    assert code == 2
    assert "there is no no_such_module_anywhere.py" in err
    assert not settings.home.exists()


def test_a_home_of_a_newer_release_is_said_clearly(
    cli: Cli, study: str, settings: Settings
) -> None:
    engine = sa.create_engine(settings.database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE tuner_alembic_version SET version_num = '9999'")
    engine.dispose()

    for command in (("status", study), ("pause", study), ("db", "upgrade")):
        code, _, err = cli(*command)

        assert code == 2
        assert "newer release" in err


def test_a_server_that_does_not_answer_exits_with_1(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNER_API_URL", "http://127.0.0.1:9")
    code, out, err = cli("list")

    assert (code, out) == (1, "")
    assert "http://127.0.0.1:9: the Tuner server does not answer" in err


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://[::"])
def test_an_api_url_that_is_none_is_named(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("TUNER_API_URL", url)
    code, _, err = cli("list")

    assert code in (1, 2)
    assert url in err
    assert "Traceback" not in err


def test_the_home_is_held_while_a_study_is_changed(settings: Settings) -> None:
    with home_lock(settings), pytest.raises(UnavailableError, match=f"pid {os.getpid()}"):
        home_lock(settings).acquire()


def test_a_home_that_cannot_be_written_is_said(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TUNER_HOME", str(tmp_path / "file" / "home"))
    code, _, err = cli("db", "upgrade")

    assert code == 2
    assert "TUNER_HOME" in err


def test_db_upgrade_makes_a_database(cli: Cli, settings: Settings) -> None:
    assert cli("db", "upgrade")[0] == 0
    assert cli("db", "upgrade")[0] == 0
    assert cli("list", "--json")[1] == "[]\n"
    assert settings.home.stat().st_mode & 0o777 == 0o700


def test_down_without_a_service_is_fine(cli: Cli) -> None:
    assert cli("down")[0] == 0
