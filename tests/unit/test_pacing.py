"""A client that is told it asks too often asks again when it may, and loses nothing."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tuner.client import ApiClient
from tuner.errors import UnavailableError
from tuner.protocol import BEAT_S, Beat, WorkerInfo, retry_after_s
from workers.agent.api import WorkerApi

WAIT_S = 0.2
BEAT = Beat(worker=WorkerInfo(name="w", host="h", pid=1), state="idle")


class _Busy(ThreadingHTTPServer):
    """Answers 429 so many times, and notes when it was asked, and what."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.refusals = 2
        self.asked: list[tuple[float, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: _Busy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((time.monotonic(), body))
        is_refused = len(self.server.asked) <= self.server.refusals
        data = b'{"detail": "too many requests"}' if is_refused else b'{"state": "stopping"}'
        self.send_response(429 if is_refused else 200)
        if is_refused:
            self.send_header("Retry-After", str(WAIT_S))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def busy() -> Iterator[_Busy]:
    server = _Busy()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def waits(busy: _Busy) -> list[float]:
    times = [at for at, _ in busy.asked]
    return [after - before for before, after in itertools.pairwise(times)]


def test_a_command_waits_and_sends_the_same_again(busy: _Busy) -> None:
    with ApiClient(busy.url, "token") as api:
        assert api.stop("a/b", now=True) == {"state": "stopping"}

    assert [body for _, body in busy.asked] == [b'{"now":true}'] * 3
    assert min(waits(busy)) >= WAIT_S


def test_a_worker_asks_nothing_until_it_may_and_then_goes_on(busy: _Busy) -> None:
    api = WorkerApi(busy.url, "token")
    for _ in range(2):
        with pytest.raises(UnavailableError, match="too many requests"):
            api.beat(BEAT)
    api.beat(BEAT)
    api.close()

    assert min(waits(busy)) >= WAIT_S


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("2", 2.0),
        ("0", 0.1),
        ("-1", 0.1),
        ("100000", BEAT_S),
        (None, 1.0),
        ("inf", 1.0),
        ("nan", 1.0),
        ("Sat, 28 Nov 2026 10:00:00 GMT", 1.0),
    ],
)
def test_whatever_the_header_says_the_wait_is_short(header: str | None, expected: float) -> None:
    assert retry_after_s(header, BEAT_S) == expected
