"""Strangers without a token who flood the servers: bodies, connections, headers without an end."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from abc import abstractmethod
from urllib.parse import urlsplit

from tests.chaos.faults import DATABASE, SERVERS, FaultKind, Greedy
from tests.support.processes import is_alive

CONNECTIONS, HALF_HEADERS = 1000, 200
BODY_MB, BODIES = 20, 6
#: As often a flood sends another byte.
DRIP_S = 0.5
#: Within it a server must answer that it lives; it is no measure of speed.
ALIVE_S = 15.0
ROUTES = ("/v1/studies/chaos/tpe/stop", "/v1/studies", "/v1/claim", "/v1/history/import")


class Flood(Greedy):
    """What all floods have in common. The servers stay as they are meanwhile."""

    needs = frozenset({SERVERS, DATABASE})

    def begin(self) -> bool:
        servers = [server for server in self.stack.servers if server.is_running]
        if not servers:
            return False
        self._over = threading.Event()
        self.watch_memory()
        self._pids = {server.pid: server.url for server in servers}
        self._address = self.chance.choice([_address(url) for url in self._pids.values()])
        self._flood = threading.Thread(target=self._run, daemon=True)
        self._flood.start()
        return True

    def end(self) -> None:
        for pid, url in self._pids.items():
            if not is_alive(pid):
                self.stack.violations.append(f"{type(self).__name__}: server {pid} died of it")
            elif not _lives(_address(url)):
                text = f"{type(self).__name__}: server {pid} does not answer within {ALIVE_S:g} s"
                self.stack.violations.append(text)
        self.check_memory()
        self._over.set()
        self._flood.join(30)

    @abstractmethod
    def _run(self) -> None:
        """Flood until `_over` is set."""

    def _connect(self) -> socket.socket:
        return socket.create_connection(self._address, timeout=5)


class FloodConnections(Flood):
    """A thousand connections that say nothing."""

    def _run(self) -> None:
        with contextlib.ExitStack() as stack:
            for _ in range(CONNECTIONS):
                with contextlib.suppress(OSError):
                    stack.enter_context(self._connect())
                if self._over.is_set():
                    return
            self._over.wait()


class FloodHeaders(Flood):
    """Requests whose headers never end, a byte at a time."""

    def _run(self) -> None:
        with contextlib.ExitStack() as stack:
            held: list[socket.socket] = []
            for _ in range(HALF_HEADERS):
                with contextlib.suppress(OSError):
                    held.append(stack.enter_context(self._connect()))
                    held[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ")
            while not self._over.wait(DRIP_S):
                for one in held:
                    with contextlib.suppress(OSError):
                        one.send(b"a")


class FloodBodies(Flood):
    """Large bodies without a token, to be parsed by whoever is so foolish."""

    def _run(self) -> None:
        chance = random.Random(self.chance.randrange(2**32))
        block = b"[]," * (1 << 18)
        for _ in range(BODIES):
            if self._over.is_set():
                return
            size = BODY_MB * 1024 * 1024
            head = (
                f"POST {chance.choice(ROUTES)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                f"Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
            )
            # Refused at once, the connection may be closed while the body is still being sent.
            with contextlib.suppress(OSError), self._connect() as one:
                one.sendall(head.encode())
                sent = 0
                while sent < size and not self._over.is_set():
                    sent += one.send(block[: size - sent])
                one.recv(1)


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return str(parts.hostname), int(parts.port or 0)


def _lives(address: tuple[str, int]) -> bool:
    deadline = time.monotonic() + ALIVE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=5) as one:
            one.settimeout(ALIVE_S)
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            if one.recv(12).startswith(b"HTTP/1.1 200"):
                return True
        time.sleep(0.1)
    return False


KINDS: dict[str, FaultKind] = {
    "stranger: 1 000 connections": FaultKind(make=FloodConnections, lasts=(2.0, 5.0)),
    "stranger: half headers": FaultKind(make=FloodHeaders, lasts=(2.0, 5.0)),
    "stranger: bodies without a token": FaultKind(make=FloodBodies, lasts=(2.0, 5.0)),
}
