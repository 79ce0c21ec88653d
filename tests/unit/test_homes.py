"""Which folder is the home, and whose folder is never taken for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner import homes
from tuner.errors import SetupError
from tuner.homes import clone_home, default_home
from tuner.settings import load_settings


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of an account that has nothing, whose Tuner runs from a clone."""
    (tmp_path / "clone" / "tuner").mkdir(parents=True)
    (tmp_path / "clone" / "setup.sh").touch()
    monkeypatch.setattr(homes, "__file__", str(tmp_path / "clone" / "tuner" / "homes.py"))
    return {"HOME": str(tmp_path / "ada")}


def make_old_home(clone: Path) -> Path:
    """Make the home that `make` of the first releases kept in a clone."""
    home = clone / ".tuner"
    home.mkdir(mode=0o700)
    (home / "tuner.db").touch()
    return home


def test_a_fresh_clone_uses_the_home_of_the_account_from_any_folder(
    account: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = tmp_path / "ada" / ".local" / "share" / "tuner"
    for folder in (tmp_path, tmp_path / "clone"):
        monkeypatch.chdir(folder)
        assert load_settings(account).home == expected


def test_the_home_that_make_kept_in_a_clone_goes_on_being_used(
    account: dict[str, str], tmp_path: Path
) -> None:
    old = make_old_home(tmp_path / "clone")

    assert load_settings(account).home == old


def test_an_account_with_a_home_keeps_it_beside_that_of_the_clone(
    account: dict[str, str], tmp_path: Path
) -> None:
    make_old_home(tmp_path / "clone")
    home = tmp_path / "ada" / ".local" / "share" / "tuner"
    home.mkdir(parents=True)

    assert load_settings(account).home == home


@pytest.mark.parametrize(
    "named",
    [
        {"TUNER_DATABASE_URL": "postgresql+psycopg://u@h/d"},
        {"TUNER_API_URL": "http://tuner.example:8080"},
    ],
)
def test_studies_that_are_named_elsewhere_do_not_move_the_home(
    account: dict[str, str], tmp_path: Path, named: dict[str, str]
) -> None:
    make_old_home(tmp_path / "clone")

    assert load_settings(account | named).home == tmp_path / "ada" / ".local" / "share" / "tuner"


def test_a_home_that_is_named_wins(account: dict[str, str], tmp_path: Path) -> None:
    make_old_home(tmp_path / "clone")

    assert load_settings({**account, "TUNER_HOME": str(tmp_path / "x")}).home == tmp_path / "x"


def test_a_folder_that_was_downloaded_is_no_home(
    account: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = tmp_path / "download"
    stranger.mkdir()
    make_old_home(stranger)
    (stranger / "setup.sh").touch()
    monkeypatch.chdir(stranger)

    assert default_home(account) == tmp_path / "ada" / ".local" / "share" / "tuner"


def test_what_others_may_change_and_what_is_a_link_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "setup.sh").touch()
    home = make_old_home(tmp_path)
    assert clone_home(tmp_path) == home

    home.chmod(0o770)
    assert clone_home(tmp_path) is None
    home.chmod(0o700)
    home.rename(tmp_path / "elsewhere")
    home.symlink_to(tmp_path / "elsewhere")
    assert clone_home(tmp_path) is None


def test_the_home_of_another_account_in_a_shared_clone_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "setup.sh").touch()
    make_old_home(tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: 4711)

    assert clone_home(tmp_path) is None


def test_a_home_that_is_a_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SetupError, match=f"TUNER_HOME={tmp_path}/file: is a file; set TUNER_HOME"):
        load_settings({"TUNER_HOME": str(tmp_path / "file")})


@pytest.mark.parametrize("url", ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/"])
def test_the_path_of_the_api_may_stand_in_the_url_of_a_server(url: str) -> None:
    assert load_settings({"TUNER_API_URL": f"{url}, {url}"}).api_url == "http://h:1,http://h:1"


def test_an_account_without_a_folder_is_told_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: object) -> None:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", unknown)

    with pytest.raises(SetupError, match="set TUNER_HOME"):
        load_settings({})
