"""`/healthz`, `/readyz` and the end of a server, with the parts really taken away."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import sqlalchemy as sa

from tests.integration.test_operations_metrics import Scraped
from tests.support.patience import clock
from tests.support.servers import PostgresServer, postgres_or_skip
from tests.support.service_process import Nursery, ServiceProcess
from tests.support.study_lab import Lab
from tuner.protocol import queue_name
from tuner.queue.redis_process import RedisServer
from tuner.server.monitoring.health import FLOOD
from tuner.storage import open_storage, tables
from tuner.storage.probe import write_probe

pytestmark = pytest.mark.slow

WELL = {"status": "ready", "failing": {}, "warnings": {}}


@pytest.fixture
def private_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of the test's own, to be stopped and started."""
    with postgres_or_skip(private=True) as server:
        yield server


def ready(service: ServiceProcess) -> tuple[int, dict[str, Any]]:
    answer = httpx.get(f"{service.url}/readyz", timeout=30)
    return answer.status_code, answer.json()


def wait_ready(
    service: ServiceProcess, holds: Callable[[int, dict[str, Any]], bool], timeout_s: float = 20.0
) -> dict[str, Any]:
    """Return the first answer that is right; the process must answer all the time."""
    deadline = clock() + timeout_s
    while True:
        assert httpx.get(f"{service.url}/healthz", timeout=5).json() == {"status": "alive"}
        status, document = ready(service)
        assert (status == 200) == (document["status"] == "ready") == (not document["failing"])
        if holds(status, document):
            return document
        assert clock() < deadline, document
        time.sleep(0.1)


def is_well(status: int, document: dict[str, Any]) -> bool:
    return status == 200 and document == WELL


def test_a_queue_that_somebody_else_fills_is_a_warning(
    nursery: Nursery, tmp_path: Path, private_redis: RedisServer
) -> None:
    url = f"sqlite:///{tmp_path / 'tuner.db'}"
    service = ServiceProcess(nursery, tmp_path / "home", url, private_redis.url)
    with service.running(), redis.Redis.from_url(private_redis.url) as client:
        wait_ready(service, is_well)
        key = f"rq:queue:{queue_name('gpu')}"
        client.rpush(key, *range(FLOOD + 1))
        full = wait_ready(service, lambda _, doc: bool(doc["warnings"]))
        client.delete(key)
        wait_ready(service, is_well)

    assert full["warnings"] == {
        "redis": "a queue holds 10001 messages, far more than there are workers: somebody else "
        "writes into it; workers clear them away"
    }


def test_a_server_is_ready_while_its_parts_work(
    nursery: Nursery,
    private_postgres: PostgresServer,
    private_redis: RedisServer,
    tmp_path: Path,
) -> None:
    with private_postgres.fresh_database() as url:
        service = ServiceProcess(nursery, tmp_path / "home", url, private_redis.url)
        service.start()
        wait_ready(service, is_well)

        private_postgres.crash()
        down = wait_ready(service, lambda status, doc: "coordinator" in doc["failing"])
        during = Scraped(service)
        private_postgres.start()
        wait_ready(service, is_well)

        assert private_redis.pid is not None
        os.kill(private_redis.pid, signal.SIGKILL)
        without_redis = wait_ready(service, lambda _, doc: bool(doc["warnings"]))
        private_redis.start()
        wait_ready(service, is_well)

        service.log_root.rename(tmp_path / "aside")
        service.log_root.write_text("in the way")
        without_root = wait_ready(service, lambda _, doc: bool(doc["warnings"]))
        service.log_root.unlink()
        wait_ready(service, is_well)
        service.close()

    assert set(down["failing"]) == {"database", "coordinator"}
    assert during.by("part", "tuner_problem") == {"database": 1, "coordinator": 1}
    assert not during.by("state", "tuner_studies"), "nothing is made up meanwhile"
    assert during.get("tuner_leader") is not None
    assert set(without_redis["warnings"]) == {"redis"}
    assert set(without_root["warnings"]) == {"log_root"}
    said = json.dumps([down, without_redis, without_root])
    assert not [secret for secret in ("/", "postgres", "127.0.0.1", "Error") if secret in said]


def test_a_standby_is_ready_and_does_not_lead(
    nursery: Nursery, tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    leading, standby = (
        ServiceProcess(nursery, tmp_path / name, postgres_url, redis_url)
        for name in ("leading", "standby")
    )
    with leading.running():
        wait_ready(leading, is_well)
        with standby.running():
            wait_ready(standby, is_well)

            assert Scraped(leading).get("tuner_leader") == 1
            assert Scraped(standby).get("tuner_leader") == 0
            assert Scraped(standby).get("tuner_leader_epoch") == 0


def test_a_coordinator_that_hangs_makes_a_server_unready(
    nursery: Nursery, tmp_path: Path, redis_url: str
) -> None:
    # It hangs where it writes, while the database answers those who read.
    path = tmp_path / "home" / "tuner.db"
    service = ServiceProcess(nursery, tmp_path / "home", f"sqlite:///{path}", redis_url)
    with service.running():
        wait_ready(service, is_well)
        with sqlite3.connect(path, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            named = wait_ready(service, lambda status, _: status == 503, timeout_s=5.0)
            hung = wait_ready(service, lambda _, doc: "coordinator" in doc["failing"])
            during = Scraped(service)
            lists = service.get("/studies")
            other.execute("ROLLBACK")
        wait_ready(service, is_well, timeout_s=5.0)

    locked = "is locked by another process; every write waits for it"
    assert named["failing"] == {"database": locked}
    assert hung["failing"]["database"] == locked
    assert during.by("why", "tuner_database_trouble")["locked"] == 1
    assert lists == [], "reading goes on"


def test_a_write_that_waits_behind_a_lock_is_answered_and_not_lost(
    nursery: Nursery, tmp_path: Path, redis_url: str
) -> None:
    path = tmp_path / "home" / "tuner.db"
    service = ServiceProcess(nursery, tmp_path / "home", f"sqlite:///{path}", redis_url)
    with service.running():
        lab = Lab(service)
        lab.submit()
        held = lab.claim()
        with sqlite3.connect(path, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            waited = held.report(1, 0.5)
            other.execute("ROLLBACK")
        again = held.report(1, 0.5)
        done = held.complete(0.5)
        for worker in lab.workers:
            worker.close()

    assert waited.status_code == 503
    assert "the database is not available: " in waited.json()["detail"]
    assert "locked" in waited.json()["detail"]
    assert (again.status_code, done.status_code) == (200, 200)


@contextlib.contextmanager
def small_disk(folder: Path, pid: Callable[[], int]) -> Iterator[Callable[[bool], None]]:
    """Give a way to fill the disk under a folder, and to free it again.

    Where this user may mount, it is a file system of its own that is filled to the last byte; else
    the process may write no further into any file, by the kernel's limit.
    """
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        try:
            yield lambda full: _fill(folder / "filler") if full else (folder / "filler").unlink()
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        return
    unlimited = resource.RLIM_INFINITY

    def limit(full: bool) -> None:
        resource.prlimit(pid(), resource.RLIMIT_FSIZE, (4096 if full else unlimited, unlimited))

    yield limit


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_a_full_database_disk_is_named_and_forgotten_when_there_is_room(
    nursery: Nursery, tmp_path: Path, redis_url: str
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    service = ServiceProcess(
        nursery, tmp_path / "home", f"sqlite:///{disk / 'tuner.db'}", redis_url
    )
    with small_disk(disk, lambda: service.pid) as fill, service.running():
        lab = Lab(service)
        lab.submit()
        held = lab.claim()
        wait_ready(service, is_well)
        fill(True)
        named = wait_ready(service, lambda _, doc: "database" in doc["failing"], timeout_s=5.0)
        during = Scraped(service)
        refused = held.report_points([{"step": n, "value": 0.5} for n in range(1, 400)])
        fill(False)
        wait_ready(service, is_well, timeout_s=10.0)
        done = held.complete(0.5)
        for worker in lab.workers:
            worker.close()

    assert "disk" in named["failing"]["database"]
    assert "nothing can be written" in named["failing"]["database"]
    assert during.by("part", "tuner_problem")["database"] == 1
    assert refused.status_code == 503
    assert done.status_code == 200


def test_a_postgresql_that_takes_no_writes_is_named_and_forgotten(
    nursery: Nursery, private_postgres: PostgresServer, tmp_path: Path, redis_url: str
) -> None:
    with private_postgres.fresh_database() as url:
        service = ServiceProcess(nursery, tmp_path / "home", url, redis_url)
        with service.running():
            wait_ready(service, is_well)
            set_read_only(url, "on")
            named = wait_ready(service, lambda _, doc: "database" in doc["failing"], timeout_s=5.0)
            set_read_only(url, "off")
            wait_ready(service, is_well, timeout_s=10.0)

    assert named["failing"]["database"] == "is read-only; nothing can be written"


def set_read_only(url: str, value: str) -> None:
    """Have every transaction of the whole server write nothing, or write again."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"ALTER SYSTEM SET default_transaction_read_only = {value}"))
        connection.execute(sa.text("SELECT pg_reload_conf()"))
    engine.dispose()


def test_probing_does_not_grow_the_database(tmp_path: Path) -> None:
    path = tmp_path / "tuner.db"
    storage = open_storage(f"sqlite:///{path}", create=True)
    for _ in range(3):
        write_probe(storage)
    pages = count_pages(path)
    for _ in range(200):
        write_probe(storage)

    assert count_pages(path) == pages
    storage.close()


def count_pages(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        count: int = connection.execute("PRAGMA page_count").fetchone()[0]
        return count


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_server_that_is_told_to_end_releases_everything_whoever_started_it(
    nursery: Nursery, tmp_path: Path, redis_url: str, number: signal.Signals
) -> None:
    url = f"sqlite:///{tmp_path / 'home' / 'tuner.db'}"
    service = ServiceProcess(nursery, tmp_path / "home", url, redis_url)
    service.start()
    wait_ready(service, is_well)
    service.stop(number)

    assert service.log.read_text().splitlines()[-1].endswith("server ended")
    assert not service.faults()
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        lease = connection.execute(sa.select(tables.leader.c.lease_until)).scalar_one()
    engine.dispose()
    assert lease <= time.time(), "its successor need not wait"
    assert not list((tmp_path / "home").glob("tuner.db-wal")), "the database is closed"
