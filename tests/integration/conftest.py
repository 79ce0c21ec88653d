"""Servers as processes: one for many tests, and one of a test's own that may be killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service_process import Nursery, ServiceProcess
from tests.study_lab import Lab
from tuner.queue.redis_process import RedisServer


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Where servers are forked from."""
    nursery = Nursery(tmp_path_factory.mktemp("nursery") / "nursery.log")
    yield nursery
    nursery.close()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def service(
    request: pytest.FixtureRequest,
    nursery: Nursery,
    shared_redis: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServiceProcess]:
    """A running server on each kind of database, for tests that leave it running."""
    home = tmp_path_factory.mktemp(f"service-{request.param}")
    if request.param == "sqlite":
        yield from _running(nursery, home, f"sqlite:///{home / 'tuner.db'}", shared_redis.url)
        return
    with request.getfixturevalue("postgres_server").fresh_database() as url:
        yield from _running(nursery, home, url, shared_redis.url)


@pytest.fixture
def own_service(
    nursery: Nursery, tmp_path: Path, database_url: str, redis_url: str
) -> Iterator[ServiceProcess]:
    """A running server of the test's own, on each kind of database: to be killed and started."""
    yield from _running(nursery, tmp_path / "home", database_url, redis_url)


@pytest.fixture
def lab(service: ServiceProcess) -> Iterator[Lab]:
    """A study of the test's own on the shared server."""
    lab = Lab(service)
    yield lab
    lab.close()


@pytest.fixture
def own_lab(own_service: ServiceProcess) -> Iterator[Lab]:
    """A study on a server that may be killed."""
    lab = Lab(own_service)
    yield lab
    lab.close()


def _running(nursery: Nursery, home: Path, database: str, redis: str) -> Iterator[ServiceProcess]:
    service = ServiceProcess(nursery, home, database, redis)
    service.start()
    yield service
    service.close()
    assert not service.faults(), service.faults()
