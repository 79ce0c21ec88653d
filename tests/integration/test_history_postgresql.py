"""Optuna's studies on a PostgreSQL with passwords, imported by one who may only read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, make_url

from tests.support.databases.lab import Cli, Done
from tests.support.history.lab import DATA
from tests.support.servers import PostgresServer, postgres_or_skip
from tests.unit.test_history_producers import make_studies

#: With what a URL has to escape.
SECRET = "hush/hu@sh#1"


@dataclass(frozen=True)
class Guarded:
    """A database with two studies of Optuna's that `ada` may read, with her password."""

    server: PostgresServer
    owner: URL

    def url(self, password: str | None, name: str | None = None) -> str:
        """Return the URL as ada writes it."""
        url = self.owner.set(username="ada", password=password, database=name)
        url = url if name else url.set(database=self.owner.database)
        return url.render_as_string(hide_password=False)

    @property
    def shown(self) -> str:
        """The URL as Tuner shows it."""
        return f"postgresql+psycopg://ada@/{self.owner.database}"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    with postgres_or_skip(private=True) as server, server.fresh_database() as url:
        make_studies(url)
        _guard(url)
        yield Guarded(server, make_url(url))


def _guard(url: str) -> None:
    """Let ada read, and nobody but the owner in without a password."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE ada LOGIN PASSWORD '{SECRET}'".encode())
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO ada")
        row = connection.execute("SHOW hba_file").fetchone()
        assert row is not None
        rules = Path(row[0])
        rules.write_text("local all ada scram-sha-256\n" + rules.read_text())
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture
def home(tmp_path: Path) -> Cli:
    return Cli(tmp_path / "home", f"sqlite:///{tmp_path / 'tuner.db'}")


def is_silent(cli: Cli, *said: Done) -> bool:
    """Whether the password is neither in what was said nor in any file that was left."""
    texts = [text for done in said for text in (done.out, done.err)]
    texts += [path.read_bytes().decode("latin-1") for path in _files(cli)]
    return not any("hush" in text for text in texts)


def _files(cli: Cli) -> list[Path]:
    return [path for path in cli.home.parent.rglob("*") if path.is_file()]


def test_studies_behind_a_password_are_imported_and_the_password_is_nowhere(
    guarded: Guarded, home: Cli
) -> None:
    added = home.ok("history", "add", guarded.url(SECRET))
    again = home.ok("history", "add", "--json", guarded.url(SECRET))
    one = home.ok("history", "add", f"{guarded.url(SECRET)}#one")
    listed = home.ok("history", "list", "--json")
    table = home.ok("history", "list")
    rejected = home.ok("history", "list", "--rejected", "--json")

    assert f"{guarded.shown}: 10 found: 8 imported, 0 unchanged, 2 rejected" in added.out
    assert json.loads(again.out)["unchanged"] == 8
    assert "6 unchanged" in one.out
    assert {row["locator"] for row in json.loads(listed.out)} == {
        f"{guarded.shown}#one",
        f"{guarded.shown}#two",
    }
    reasons = [row["reason"] for row in json.loads(rejected.out)]
    assert set(reasons) == {"has not ended", "was never started"}
    assert is_silent(home, added, again, one, listed, table, rejected)


def test_the_password_may_come_from_the_environment(
    guarded: Guarded, home: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", SECRET)
    added = home.ok("history", "add", guarded.url(None))

    assert "8 imported" in added.out
    assert is_silent(home, added)


@pytest.mark.parametrize(
    ("password", "name", "reason"),
    [
        ("hush-wrong", None, 'password authentication failed for user "ada"'),
        (None, None, "no password supplied"),
        (SECRET, "gone", 'database "gone" does not exist'),
    ],
)
def test_one_who_is_not_let_in_is_told_why(
    guarded: Guarded, home: Cli, password: str | None, name: str | None, reason: str
) -> None:
    done = home.run("history", "add", guarded.url(password, name))

    assert done.code == 1
    assert done.err.startswith(f"tuner: postgresql+psycopg://ada@/{name or guarded.owner.database}")
    assert reason in done.err
    assert len(done.err.splitlines()) == 1
    assert is_silent(home, done)


@pytest.mark.parametrize("address", ["127.0.0.1:9", "no-such-host.invalid"])
def test_a_server_that_is_not_there_is_named(home: Cli, address: str) -> None:
    done = home.run("history", "add", f"postgresql://ada:hush@{address}/runs#one")

    assert done.code == 1
    assert done.err.startswith(f"tuner: postgresql://ada@{address}/runs: cannot be read: ")
    assert is_silent(home, done)


def test_a_study_that_is_not_there_is_told_with_those_that_are(guarded: Guarded, home: Cli) -> None:
    done = home.run("history", "add", f"{guarded.url(SECRET)}#three")

    assert done.code == 2
    assert f"{guarded.shown}: has no study 'three'; known: one, two" in done.err
    assert is_silent(home, done)


def test_a_url_that_cannot_be_parsed_is_not_quoted(home: Cli) -> None:
    done = home.run("history", "add", "postgresql://ada:hush#1@127.0.0.1:9/runs")

    assert done.code == 2
    assert "write # as %23" in done.err
    assert is_silent(home, done)


def test_a_database_of_tuners_own_is_told_from_one_of_optunas(
    home: Cli, postgres_url: str, tmp_path: Path
) -> None:
    other = Cli(tmp_path / "other", postgres_url)
    other.ok("history", "add", DATA)
    done = home.run("history", "add", postgres_url)

    assert "is a database of Tuner's; import its log root instead" in done.out + done.err
