"""Whoever has no token takes nothing from those who have one. Nothing is timed but the patience."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.benchmarks.machine import resident_mb
from tests.integration.conftest import MakeService
from tests.support.hostile.strangers import strangers
from tests.support.patience import clock
from tests.support.service_process import ServiceProcess
from tests.support.study_lab import Lab
from tuner.server import limits

BODY = b"[]," * (20_000_000 // 3)
#: What a request that is refused unread may leave in the server, MB; a body has 20.
LEFT_MB = 60.0


@pytest.fixture(scope="module")
def server(make_service: MakeService) -> Iterator[ServiceProcess]:
    with make_service("sqlite") as service:
        yield service


@pytest.fixture
def lab(server: ServiceProcess) -> Iterator[Lab]:
    lab = Lab(server)
    yield lab
    lab.close()


class Raw:
    """A connection on which anything can be said."""

    def __init__(self, server: ServiceProcess) -> None:
        parts = urlsplit(server.url)
        self._socket = socket.create_connection((str(parts.hostname), parts.port or 0), timeout=90)

    def send(self, *parts: bytes) -> Raw:
        try:
            for part in parts:
                self._socket.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            """The server has hung up; what it said before can still be read."""
        return self

    def read(self) -> bytes:
        """Return all that comes until the server hangs up."""
        said = b""
        try:
            while piece := self._socket.recv(65536):
                said += piece
        except ConnectionResetError:
            """It has hung up with something unread."""
        return said

    def close(self) -> None:
        self._socket.close()


def with_bodies(server: ServiceProcess) -> list[tuple[str, str]]:
    """Return every operation of the description that takes a body."""
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    found = [
        (method.upper(), path.replace("{number}", "0").replace("{digest}", "0" * 64))
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method in ("post", "put", "patch") or "requestBody" in operation
    ]
    assert len(found) >= 15
    return [(method, path.replace("{", "").replace("}", "")) for method, path in found]


def test_20_mb_without_a_token_are_refused_unread_on_every_route(server: ServiceProcess) -> None:
    before = resident_mb(server.pid)
    over = threading.Event()
    slowest = 0.0

    def watch() -> None:
        nonlocal slowest
        while not over.is_set():
            start = clock()
            assert httpx.get(f"{server.url}/healthz", timeout=90).status_code == 200
            slowest = max(slowest, clock() - start)
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with httpx.Client(timeout=90) as client:
            for method, path in with_bodies(server):
                answer = client.request(
                    method,
                    server.url + path,
                    content=BODY,
                    headers={"content-type": "application/json"},
                )
                assert answer.status_code in (401, 429), path
                assert answer.headers["connection"] == "close"
    finally:
        over.set()
        watcher.join()

    assert resident_mb(server.pid) - before < LEFT_MB
    assert slowest < 5.0, "the event loop was held up"


def test_a_body_is_not_read_before_a_route_asks_for_it(server: ServiceProcess) -> None:
    """The kernel's buffers fill up, and the sender can send no more, while the answer waits."""
    lines = b"POST /v1/claim HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"
    raw = Raw(server)
    said = raw.send(lines, b"x" * 1000).read()
    raw.close()

    assert said.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in said.lower()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nX-Long: " + b"x" * 200_000, b"431"),
        (b"GET /" + b"x" * 200_000, b"431"),
        (b"GET /healthz HTTP/1.1\r\n" + b"X-Many: 1\r\n" * 20_000, b"431"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 500, b"400"),
    ],
    ids=["long header", "long path", "many headers", "no HTTP", "500 sent ahead"],
)
def test_what_one_connection_can_make_the_server_hold_has_an_end(
    server: ServiceProcess, sent: bytes, status: bytes
) -> None:
    raw = Raw(server)
    said = raw.send(sent).read()
    raw.close()

    assert said.startswith(b"HTTP/1.1 " + status)
    assert said.count(b"HTTP/1.1 ") <= limits.MAX_PIPELINED + 2
    assert httpx.get(f"{server.url}/healthz").status_code == 200


def test_whoever_says_nothing_or_never_comes_to_the_end_is_cut_off(server: ServiceProcess) -> None:
    silent, half = Raw(server), Raw(server).send(b"GET /healthz HTTP/1.1\r\nHost:")
    assert silent.read() == b""
    assert half.read().startswith(b"HTTP/1.1 408 ")
    for raw in (silent, half):
        raw.close()


def test_a_thousand_strangers_keep_nobody_out(server: ServiceProcess, lab: Lab) -> None:
    lab.submit(budget={"trials": 1000}, parallel=4)
    with strangers(server.url, 1000) as crowd:
        for _ in range(5):
            assert httpx.get(f"{server.url}/healthz", timeout=30).status_code == 200
            assert lab.claim().complete(0.5).status_code == 200
            assert lab.status()["state"] == "running"

    assert crowd.seen["connected"] >= 1000
