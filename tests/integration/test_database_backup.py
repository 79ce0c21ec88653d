"""A backup of a running study: nobody waits for it, and the study ends exactly wherever it goes on.

The backup is written into a pipe that the test reads slowly, so that it takes as long as the test
wants, with its one transaction open.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from tests.support.databases.lab import (
    TUNER,
    Cli,
    Crew,
    Rows,
    assert_exact,
    finish,
    opened,
    read_rows,
)
from tests.support.protocol_worker import ProtocolWorker
from tests.support.servers import PostgresServer
from tests.support.service_process import Nursery, ServiceProcess
from tests.support.study_lab import Lab
from tuner.service.studies.restoring import restore
from tuner.storage import tables
from tuner.storage.backups.reading import BackupFile

pytestmark = pytest.mark.slow

MakeService = Callable[..., AbstractContextManager[ServiceProcess]]
BUDGET = 30


def cli(service: ServiceProcess) -> Cli:
    return Cli(service.home, service.database_url)


@contextlib.contextmanager
def slow_backup(service: ServiceProcess) -> Iterator[BinaryIO]:
    """Begin a backup that has read its header's counts and now waits for its reader."""
    # So that the pipe is full before the trials are written.
    fill(service.database_url, megabytes=3)
    process = subprocess.Popen(
        [*TUNER, "db", "backup", "-"],
        env=cli(service).environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def fill(url: str, *, megabytes: int) -> None:
    """Put code snapshots into a database that no compression makes smaller."""
    with opened(url) as storage, storage.begin() as connection:
        for number in range(megabytes):
            row = {"hash": f"{number:064}", "content": os.urandom(1_000_000), "created": 1.0}
            connection.execute(tables.snapshots.insert().values(row))


def rows_of(path: Path, *, without: dict[str, set[str]]) -> Rows:
    """Return what `read_rows` would, from a backup."""
    found: Rows = {}
    with path.open("rb") as file:
        backup = BackupFile(file, path.name)
        tables_there = {head.name for head in backup.header.tables}
        found = {name: [] for name in tables_there if "*" not in without.get(name, ())}
        for head, row in backup.rows():
            skip = without.get(head.name, set())
            if "*" not in skip:
                pairs = zip((column.name for column in head.columns), row, strict=True)
                found[head.name].append({k: v for k, v in pairs if k not in skip})
    return found


def restored(source: Path, home: Path, url: str, *, grace_s: float = 0.0) -> Any:
    """Restore into a fresh database without waiting for workers that still run something."""
    with opened(url) as storage, source.open("rb") as file:
        backup = BackupFile(file, source.name)
        home.mkdir()
        return restore(storage, backup, home, home / "checkpoints", force=False, grace_s=grace_s)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_study_goes_on_exactly_from_a_backup_that_nobody_waited_for(
    kind: str,
    make_service: MakeService,
    nursery: Nursery,
    postgres_server: PostgresServer,
    redis_url: str,
    tmp_path: Path,
) -> None:
    path = tmp_path / "running.backup"
    with make_service(kind) as service:
        lab = Lab(service)
        lab.submit(budget={"trials": BUDGET})
        running = [lab.claim("long-1"), lab.claim("long-2")]
        crew = Crew(lab)
        with crew.working():
            crew.wait_done(4)
        before = len(crew.accepted)
        with slow_backup(service) as stream:
            begun = stream.read(100)
            with crew.working():
                crew.wait_done(before + 10)
                path.write_bytes(begun + stream.read())
        held = {one.trial for one in running}

    lines = gzip.decompress(path.read_bytes()).splitlines()
    assert json.loads(lines[0])["database"] == kind
    assert json.loads(lines[-1])["rows"] == len(lines) - 2
    with ExitStack() as stack:
        urls = [
            f"sqlite:///{tmp_path / 'fresh.db'}",
            stack.enter_context(postgres_server.fresh_database()),
        ]
        for url in urls:
            home = tmp_path / url.partition(":")[0]
            done = restored(path, home, url)
            rows = read_rows(url)["tuner_attempts"]
            lost = {(row["number"], row["no"]) for row in rows if row["state"] == "lost"}
            known = {row["number"] for row in rows if row["state"] == "done"}
            fresh = ServiceProcess(nursery, home, url, redis_url)
            with fresh.running():
                again = Lab(fresh, lab.name)
                outcomes = finish(again, Crew(again))
                trials = assert_exact(again, BUDGET)

                assert done.restarted_trials == len(lost)
                assert held <= {number for number, _ in lost}
                assert len(known) == before, "as of the moment when it began"
                assert set(outcomes) == set(range(BUDGET)) - known, "finished work is kept"
                attempts = {trial["trial"]: trial["attempts"] for trial in trials}
                assert attempts == {n: 2 if (n, 1) in lost else 1 for n in range(BUDGET)}
                assert again.attempts(min(held)) == [("lost", "preempted"), ("done", None)]
                assert len(again.events("restored")) == 1


def test_a_restore_in_place_fences_what_came_after_the_backup(
    own_service: ServiceProcess, tmp_path: Path
) -> None:
    path, command = tmp_path / "b.backup", cli(own_service)
    lab = Lab(own_service)
    lab.submit(budget={"trials": 4}, trial={"retries": 0})
    survivor = lab.claim("survivor")
    command.ok("db", "backup", path)
    later = lab.claim("later")
    newer = Lab(own_service)
    newer.submit()
    checkpoints = own_service.home / "checkpoints" / lab.study / f"trial_{later.trial:05d}"
    checkpoints.mkdir(parents=True)
    epoch = read_rows(own_service.database_url)["tuner_leader"][0]["epoch"]

    said = command.refused(1, "db", "restore", path, "--force")
    assert f"a service works with this database (process {own_service.pid} on" in said
    own_service.stop()
    said = command.refused(2, "db", "restore", path)
    assert "holds 2 studies" in said
    assert "--force" in said
    done = json.loads(command.ok("db", "restore", path, "--force", "--json").out)

    assert done["restarted_trials"] == 1
    assert done["renamed_checkpoints"] == 1
    assert not checkpoints.exists()
    assert read_rows(own_service.database_url)["tuner_leader"][0]["epoch"] > epoch
    own_service.start()
    assert survivor.beat().json()["order"] == "continue", "it goes on with what it runs"
    assert later.beat().status_code in (404, 409), "the backup does not know this attempt"
    assert survivor.complete(0.25).json()["is_outcome"] is True
    assert lab.attempts(survivor.trial) == [("done", None), ("revoked", None)]
    again = Lab(own_service)
    again.submit()
    number = int(again.claim().attempt.split("-")[0].removeprefix("s"))
    assert number > int(later.attempt.split("-")[0].removeprefix("s")) + 1, "no id twice"
    worker = ProtocolWorker(own_service, image=lab.image)
    lab.run(worker, lambda held: float(held.params["x"]))
    assert lab.wait_closed()["counts"]["complete"] == 4
    worker.close()


def test_a_backup_of_one_kind_of_database_holds_what_the_other_kind_had(
    service: ServiceProcess, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    lab = Lab(service)
    lab.submit(budget={"trials": 3}, sampler={"name": "qmc", "seed": 7})
    worker = lab.worker()
    held = worker.claim()
    held.report_points([{"step": 1, "value": "inf"}, {"step": 2, "value": "nan"}])
    held.complete("inf")
    held = worker.claim()
    held.report(1, 0.1 + 0.2, other=1e-300)
    held.complete(0.1 + 0.2)
    worker.claim().fail("error", "Größe ☃\n\t'\" \\ \x7f")
    lab.wait(lambda: lab.status()["state"] != "running", "all are told")
    changed = {
        "tuner_leader": {"*"},
        "tuner_events": {"*"},
        "tuner_workers": {"state", "attempt", "last_seen"},
        "tuner_attempts": {"filed", "state", "cause", "error", "finished", "not_before"},
        "tuner_studies": {"filed"},
    }
    first, second = tmp_path / "first.backup", tmp_path / "second.backup"
    with ExitStack() as stack:
        other = f"sqlite:///{tmp_path / 'other.db'}"
        if service.database_url.startswith("sqlite"):
            other = stack.enter_context(postgres_server.fresh_database())
        back = f"sqlite:///{tmp_path / 'back.db'}"
        cli(service).ok("db", "backup", first)
        restored(first, tmp_path / "a", other)
        Cli(tmp_path / "a", other).ok("db", "backup", second)
        restored(second, tmp_path / "b", back)

        there = read_rows(other, without=changed)
        assert there == rows_of(first, without=changed)
        assert there == read_rows(back, without=changed)
    lab.close()
    ours = {row["objective"] for row in there["tuner_trials"]}
    assert 0.1 + 0.2 in ours
    assert any("Größe ☃" in row["error"] for row in there["tuner_trials"])


@pytest.fixture
def home(tmp_path: Path) -> Cli:
    """A home with an empty database."""
    home = Cli(tmp_path / "home", f"sqlite:///{tmp_path / 'home' / 'tuner.db'}")
    home.ok("db", "upgrade")
    return home


def test_a_backup_can_only_be_read_by_its_owner_and_replaces_no_other(
    home: Cli, tmp_path: Path
) -> None:
    path, command = tmp_path / "b.backup", home
    command.ok("db", "backup", path)

    assert path.stat().st_mode & 0o777 == 0o600
    said = command.refused(2, "db", "backup", path)
    assert said == f"tuner: {path}: already exists; --force replaces it\n"
    facts = json.loads(command.ok("db", "backup", path, "--force", "--json").out)
    assert facts["rows"] == sum(facts["tables"].values())
    assert "is a folder" in command.refused(2, "db", "backup", tmp_path)
    assert "No such file" in command.refused(2, "db", "backup", tmp_path / "none" / "b")


def test_a_full_disk_leaves_the_backup_of_before(home: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    path = folder / "b.backup"
    path.write_bytes(b"of before")
    fill(home.database_url, megabytes=1)
    full = home.run_apart("db", "backup", path, "--force", first="ulimit -f 100")

    assert full.code == 1
    assert full.err == f"tuner: {path}: cannot be written: File too large; there is no new backup\n"
    assert [file.name for file in folder.iterdir()] == ["b.backup"]
    assert path.read_bytes() == b"of before"
    with Path("/dev/full").open("wb") as device:
        full = home.run_apart("db", "backup", "-", stdout=device)
    assert full.code == 1
    assert full.err == "tuner: standard output cannot be written: No space left on device\n"


def test_a_backup_that_is_ended_leaves_no_half_file(home: Cli, tmp_path: Path) -> None:
    path = tmp_path / "b.backup"
    fill(home.database_url, megabytes=40)
    process = subprocess.Popen([*TUNER, "db", "backup", str(path)], env=home.environ)
    while not list(tmp_path.glob(".b.backup.*")):
        assert process.poll() is None, "it ended before it could be ended"
    process.send_signal(signal.SIGTERM)

    # Python says it in one of two ways, and a shell sees 130 in both.
    assert process.wait(30) in (130, -signal.SIGINT)
    assert not list(tmp_path.glob("*b.backup*"))
