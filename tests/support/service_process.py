"""A real server process for tests: started, killed at any moment, started again where it stood.

Starting Python and importing the server takes 3 s of CPU. A nursery process imports everything once
and forks a server whenever it is asked, which takes 0.1 s: so a test can afford a kill after every
few trials. A server may be given shorter leases than it has by default, for tests that wait for the
end of one. Servers are killed with the nursery, and the nursery ends with the tests.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.support.hostile import stuck_files

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "service-token-51c0"
#: How long the lead of a killed server lasts, seconds; by default it is 10.
LEADER_LEASE_S = 0.8
START_TIMEOUT_S = 60.0
END_TIMEOUT_S = 30.0
_PR_SET_PDEATHSIG = 1
#: What a server imports only once it runs.
_LATE_IMPORTS = (
    "alembic.command",
    "psycopg",
    "scipy.stats",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
)


class Nursery:
    """The process that servers are forked from. One start at a time.

    Args:
        log: of what the nursery itself says.
        under: a command that runs it, and watches it.
    """

    def __init__(self, log: Path, under: Sequence[str] = ()) -> None:
        self._lock = threading.Lock()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*under, sys.executable, "-m", "tests.support.service_process"],
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                # Ctrl-C ends the tests, and they end the servers.
                start_new_session=True,
            )

    def start(self, order: Mapping[str, Any]) -> tuple[int, str]:
        """Start a server; return its process id and URL once it answers.

        Raises:
            AssertionError: it ended instead; the text has the end of its log.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            readable, _, _ = select.select([self._process.stdout], [], [], START_TIMEOUT_S)
            line = self._process.stdout.readline() if readable else b""
        answer = json.loads(line or b"{}")
        if "url" not in answer:
            log = Path(order["log"])
            tail = log.read_text()[-3000:] if log.exists() else ""
            raise AssertionError(f"the server did not start: {answer}\n{tail}")
        return answer["pid"], answer["url"]

    def close(self) -> None:
        """End the nursery and with it every server."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


@dataclass
class ServiceProcess:
    """One server: its home, database and port stay the same over kills and starts.

    Attributes:
        lease_s: of attempts; a worker beats three times in it. None: as in production.
        leader_lease_s: of the lead on PostgreSQL. On SQLite a start replaces a killed leader.
        has_stuck_files: whether `stuck_files.hold_up(service.hold, …)` makes its files hang.
        settings: further ones, by the names that `tuner.settings.Settings` has for them.
    """

    nursery: Nursery
    home: Path
    database_url: str
    redis_url: str
    lease_s: float | None = None
    leader_lease_s: float = LEADER_LEASE_S
    has_stuck_files: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    url: str = ""
    pid: int = 0
    _port: int = 0
    _pidfd: int = -1
    _client: httpx.Client | None = field(default=None, repr=False)

    @property
    def is_running(self) -> bool:
        """Whether the server was started and not ended by the test."""
        return self._pidfd >= 0

    @property
    def log(self) -> Path:
        """What the server logs."""
        return self.home / "server.log"

    @property
    def hold(self) -> Path:
        """What makes its files hang; see `tests/support/hostile/stuck_files.py`."""
        return self.home / "hold"

    @property
    def log_root(self) -> Path:
        """Where the trials' folders are."""
        return self.home / "logs"

    def start(self, fault: str = "") -> None:
        """Start the server and return when it answers.

        Args:
            fault: what the server does to itself, as `TUNER_FAULT` says it.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        order = {
            "home": str(self.home),
            "log": str(self.log),
            "database_url": self.database_url,
            "redis_url": self.redis_url,
            "port": self._port,
            "lease_s": self.lease_s,
            "leader_lease_s": self.leader_lease_s,
            "fault": fault,
            "hold": str(self.hold) if self.has_stuck_files else None,
            "settings": self.settings,
        }
        self.pid, self.url = self.nursery.start(order)
        self._port = int(self.url.rpartition(":")[2])
        self._pidfd = os.pidfd_open(self.pid)

    @contextlib.contextmanager
    def running(self) -> Iterator[ServiceProcess]:
        """Start the server for a test; see afterwards that it has logged no fault of its own."""
        self.start()
        try:
            yield self
        finally:
            self.close()
        assert not self.faults(), self.faults()

    def kill(self) -> None:
        """Kill the server in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the server as an operator does."""
        self._end(number)

    def kill_and_start(self) -> None:
        """Kill the server and start it again on the same home, database and port."""
        self.kill()
        self.start()

    def close(self) -> None:
        """Kill the server if it runs, and close the connections of the test."""
        if self.is_running:
            self.kill()
        if self._client is not None:
            self._client.close()

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """Send one request under `/v1` with the token; `body` becomes JSON."""
        if self._client is None:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            # Plain HTTP: the default would read all certificates first.
            self._client = httpx.Client(headers=headers, timeout=60, verify=False)  # noqa: S501
        if body is not None:
            options["json"] = body
        return self._client.request(method, f"{self.url}/v1{path}", **options)

    def get(self, path: str) -> Any:
        """Return a document."""
        response = self.call("GET", path)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: Any = None) -> Any:
        """Do something and return the document about it."""
        response = self.call("POST", path, body)
        assert response.status_code == 200, response.text
        return response.json()

    def call_and_lose_the_answer(self, method: str, path: str, body: Any = None) -> None:
        """Send a request, and break the connection when the first byte of its answer is there."""
        url = urlsplit(self.url)
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} /v1{path} HTTP/1.1\r\nHost: {url.netloc}\r\n"
            f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        with socket.create_connection((str(url.hostname), url.port or 0), timeout=30) as connection:
            connection.sendall(head.encode() + content)
            assert connection.recv(1), "the server has worked on the request"

    def faults(self) -> str:
        """Return what the server has logged of its own faults: no test should provoke one."""
        lines = self.log.read_text().splitlines()
        found = [n for n, line in enumerate(lines) if "Traceback" in line or " failed" in line]
        return "\n".join("\n".join(lines[n : n + 60]) for n in found[:3])

    def _end(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        ended, _, _ = select.select([self._pidfd], [], [], END_TIMEOUT_S)
        os.close(self._pidfd)
        self._pidfd = -1
        assert ended, f"server {self.pid} has not ended within {END_TIMEOUT_S:g} s"


def _main() -> None:
    """Be the nursery: fork a server for every line of standard input."""
    for name in ("tuner.server", *_LATE_IMPORTS):
        importlib.import_module(name)
    for line in sys.stdin:
        print(json.dumps(_fork(json.loads(line))), flush=True)  # noqa: T201 - the answer


def _fork(order: dict[str, Any]) -> dict[str, Any]:
    """Return pid and URL of a new server, or its exit status if it ended before it answered."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            """Reap the servers that were killed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _serve(order, writing)
    os.close(writing)
    with os.fdopen(reading) as ready:
        url = ready.read()
    if url:
        return {"pid": pid, "url": url}
    return {"pid": pid, "status": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}


def _serve(order: dict[str, Any], writing: int) -> None:
    """Be a server; never return."""
    status = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        output = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for number in (1, 2):
            os.dup2(output, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
        logging.getLogger("alembic").setLevel(logging.WARNING)
        _run_server(order, writing)
        status = 0
    except KeyboardInterrupt:
        status = 130
    except BaseException:
        logging.getLogger("server").exception("server failed")
    finally:
        logging.shutdown()
        os._exit(status)


def _run_server(order: dict[str, Any], writing: int) -> None:
    from tuner.runtime import faultpoints
    from tuner.server import serve
    from tuner.settings import Settings

    _shorten_leases(order)
    faultpoints.arm(order["fault"])
    if order["hold"]:
        stuck_files.install(Path(order["hold"]))
    home = Path(order["home"])

    def ready(url: str, _url_for_others: str) -> None:
        os.write(writing, url.encode())
        os.close(writing)

    settings = Settings(
        home=home,
        log_root=home / "logs",
        checkpoint_root=home / "checkpoints",
        database_url=order["database_url"],
        redis_url=order["redis_url"],
        token=TOKEN,
        **order["settings"],
    )
    serve(settings, host="127.0.0.1", port=order["port"], ready=ready)


def _shorten_leases(order: dict[str, Any]) -> None:
    """Set the constants wherever the server has imported them to."""
    from tuner import protocol
    from tuner.coordinator import leadership

    changes = {}
    if not order["database_url"].startswith("sqlite"):
        changes["LEAD_S", leadership.LEAD_S] = order["leader_lease_s"]
    if order["lease_s"] is not None:
        changes["LEASE_S", protocol.LEASE_S] = order["lease_s"]
        changes["BEAT_S", protocol.BEAT_S] = order["lease_s"] / 3
        changes["UNHEARD_S", 3 * protocol.BEAT_S] = order["lease_s"]
        changes["CALLED_OFF_GRACE_S", 3 * protocol.BEAT_S] = order["lease_s"]
    modules = [module for name, module in sys.modules.items() if name.startswith("tuner.")]
    for (name, old), new in changes.items():
        for module in modules:
            if vars(module).get(name) == old:
                setattr(module, name, new)


if __name__ == "__main__":
    _main()
