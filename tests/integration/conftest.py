"""Servers and workers as processes: shared ones, and a test's own that may be killed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cause_fleet import Fleet, open_fleet
from tests.integration.workers_peer import Peer
from tests.integration.workers_process import Start, Started
from tests.support.databases.dump import Database
from tests.support.service_process import Nursery, ServiceProcess
from tests.support.study_lab import Lab
from tuner.queue.redis_process import RedisServer

MakeService = Callable[..., AbstractContextManager[ServiceProcess]]


@pytest.fixture(scope="session")
def make_service(
    request: pytest.FixtureRequest,
    nursery: Nursery,
    shared_redis: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> MakeService:
    """Runs a server on an empty database: kind (sqlite or postgresql), facts of the server."""

    @contextlib.contextmanager
    def make(kind: str, **facts: Any) -> Iterator[ServiceProcess]:
        home = tmp_path_factory.mktemp("service")
        with contextlib.ExitStack() as stack:
            url = f"sqlite:///{home / 'tuner.db'}"
            if kind == "postgresql":
                server = request.getfixturevalue("postgres_server")
                url = stack.enter_context(server.fresh_database())
            service = ServiceProcess(nursery, home, url, shared_redis.url, **facts)
            yield stack.enter_context(service.running())

    return make


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, make_service: MakeService) -> Iterator[ServiceProcess]:
    """A server on each kind of database, for tests that leave it running."""
    with make_service(request.param) as service:
        yield service


@pytest.fixture(params=["sqlite", "postgresql"])
def own_service(
    request: pytest.FixtureRequest, make_service: MakeService
) -> Iterator[ServiceProcess]:
    """A server of the test's own on each kind of database: to be killed and started."""
    with make_service(request.param) as service:
        yield service


@pytest.fixture
def lab(service: ServiceProcess) -> Iterator[Lab]:
    """A study of the test's own on the shared server."""
    lab = Lab(service)
    yield lab
    lab.close()


@pytest.fixture
def database(lab: Lab) -> Iterator[Database]:
    """A look into the database of the shared server."""
    database = Database(lab.service.database_url)
    yield database
    database.close()


@pytest.fixture
def own_lab(own_service: ServiceProcess) -> Iterator[Lab]:
    """A study on a server that may be killed."""
    lab = Lab(own_service)
    yield lab
    lab.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A scripted server, for tests of the workers alone."""
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture
def start(peer: Peer, tmp_path: Path) -> Iterator[Start]:
    """Starts workers of the peer: options, name, environment variables."""
    started: list[Started] = []

    def start(*arguments: str, name: str = "w1", **environ: str) -> Started:
        command = ["run", f"--name={name}", "--preimport=none", *arguments]
        started.append(Started(command, tmp_path / "home", peer, **environ))
        return started[-1]

    yield start
    for process in started:
        process.close()


@pytest.fixture(scope="module")
def server(make_service: MakeService) -> Iterator[ServiceProcess]:
    """The server of a module that looks at causes; a worker beats three times in a lease."""
    with make_service("sqlite", lease_s=3.0) as service:
        yield service


@pytest.fixture
def fleet(server: ServiceProcess) -> Iterator[Fleet]:
    """Real workers of that server, ended with the test."""
    with open_fleet(server) as fleet:
        yield fleet
