"""Databases of earlier and later releases: upgraded with everything in them, or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa

from tests.support.databases.lab import (
    Cli,
    Crew,
    Rows,
    assert_exact,
    copy_as,
    finish,
    opened,
    read_rows,
    read_shape,
)
from tests.support.service_process import Nursery, ServiceProcess
from tests.support.source_tree import add_migration, copy_tree
from tests.support.study_lab import Lab
from tuner.errors import SetupError
from tuner.storage import open_storage
from tuner.storage.revisions import Schema, known, newest
from tuner.storage.schema import migrate, read_schema

MakeService = Callable[..., AbstractContextManager[ServiceProcess]]
BUDGET = 12


@pytest.fixture(scope="module")
def half(make_service: MakeService) -> Iterator[tuple[str, str]]:
    """The database of a server that was stopped in the middle of a study, and the study's name."""
    with make_service("sqlite", lease_s=1.5) as service:
        lab = Lab(service)
        lab.submit(budget={"trials": BUDGET}, sampler={"name": "tpe", "seed": 7})
        lab.claim("gone")
        crew = Crew(lab)
        with crew.working():
            crew.wait_done(5)
        service.stop()
        yield service.database_url, lab.name


@pytest.fixture
def old_url(half: tuple[str, str], database_url: str) -> str:
    """A database of each kind as the first release would have left it."""
    copy_as(half[0], database_url, "0001")
    return database_url


@pytest.fixture
def home(tmp_path: Path, database_url: str) -> Cli:
    return Cli(tmp_path / "home", database_url)


def columns_of(rows: Rows, like: Rows) -> Rows:
    """Return the same rows with no more columns than `like` has."""
    kept: Rows = {}
    for table, old in like.items():
        names = set(old[0]) if old else set()
        kept[table] = [{k: v for k, v in row.items() if k in names} for row in rows[table]]
    return kept


@pytest.mark.slow
@pytest.mark.parametrize("way", ["command", "server start"])
def test_a_study_of_the_first_release_goes_on_after_the_upgrade(
    way: str,
    half: tuple[str, str],
    old_url: str,
    home: Cli,
    nursery: Nursery,
    redis_url: str,
) -> None:
    before = read_rows(old_url)
    assert len(before["tuner_trials"]) > 5
    said = home.refused(2, "list")
    assert "the database is of an older Tuner; run: tuner db upgrade" in said
    if way == "command":
        assert f"from revision 0001 to {newest().tuner}" in home.ok("db", "upgrade").err
        after = read_rows(old_url)
        assert columns_of(after, before) == before
        assert all(row["judged"] for row in after["tuner_attempts"])
        assert "upgraded" not in home.ok("db", "upgrade").err
    service = ServiceProcess(nursery, home.home, old_url, redis_url, lease_s=1.5)
    with service.running():
        lab = Lab(service, half[1])
        outcomes = finish(lab, Crew(lab))
        assert_exact(lab, BUDGET)

        done = {row["number"] for row in before["tuner_attempts"] if row["state"] == "done"}
        assert set(outcomes) == set(range(BUDGET)) - done, "finished work is not repeated"
        objectives = {trial["trial"]: trial["objective"] for trial in lab.trials()}
        for row in before["tuner_trials"]:
            assert row["objective"] in (None, objectives[row["number"]])


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    old_url: str, home: Cli, tmp_path: Path
) -> None:
    tree = copy_tree(tmp_path, "7.2.0")
    revision = add_migration(tree, 'op.execute("SELECT nothing FROM nowhere")')
    rows, shape = read_rows(old_url), read_shape(old_url)
    newer = Cli(home.home, old_url, tree)
    failed = newer.run_apart("db", "upgrade")

    assert failed.code == 2
    assert f"from revision 0001 to {revision} failed, and the database is as it was" in failed.err
    assert (read_rows(old_url), read_shape(old_url)) == (rows, shape)
    home.ok("db", "upgrade")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_is_not_upgraded_under_a_running_service(
    kind: str, make_service: MakeService, tmp_path: Path
) -> None:
    tree = copy_tree(tmp_path, "7.2.0")
    revision = add_migration(tree)
    with make_service(kind) as service:
        lab = Lab(service)
        lab.submit(budget={"trials": 2})
        newer = Cli(tmp_path / "other-home", service.database_url, tree)
        shape = read_shape(service.database_url)
        for args in (("db", "upgrade"), ("serve",)):
            refused = newer.run_apart(*args)
            assert refused.code == 1, refused
            assert f"a service works with this database (process {service.pid} on" in refused.err
        assert read_shape(service.database_url) == shape
        worker = lab.worker()
        lab.run(worker, lambda held: float(held.params["x"]))
        assert lab.status()["counts"]["complete"] == 2, "it has noticed nothing"
        if kind == "sqlite":
            service.stop()
        else:
            # Its lead ends with its lease, for which the command waits.
            service.kill()
        upgraded = newer.run_apart("db", "upgrade")

        assert upgraded.code == 0, upgraded
        assert revision in str(read_shape(service.database_url)["revisions"])
        said = Cli(tmp_path / "home", service.database_url).refused(2, "db", "upgrade")
        assert f"the database has revision '{revision}', which this Tuner does not know" in said


def test_optunas_own_tables_are_upgraded_too(database_url: str, home: Cli) -> None:
    older = known("optuna")[-2]
    with opened(database_url) as storage, storage.change_schema() as connection:
        migrate(connection, Schema(tuner=newest().tuner, optuna=older))
        connection.execute(sa.text("INSERT INTO studies (study_name) VALUES ('mine')"))
    with pytest.raises(SetupError, match=rf"revision {older}, here .*run: tuner db upgrade"):
        open_storage(database_url, create=False)
    home.ok("db", "upgrade")

    with opened(database_url) as storage, storage.read() as connection:
        assert read_schema(connection) == newest()
    url = database_url.replace("postgresql://", "postgresql+psycopg://")
    assert optuna.get_all_study_names(url) == ["mine"]


def test_tables_of_a_newer_optuna_are_refused(database_url: str, home: Cli) -> None:
    home.ok("db", "upgrade")
    with opened(database_url) as storage, storage.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'v9.0.0.a'"))

    for args in (("db", "upgrade"), ("list",), ("db", "backup", home.home / "b")):
        said = home.refused(2, *args)
        assert "'v9.0.0.a', which the Optuna installed here does not know" in said
