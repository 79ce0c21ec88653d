"""The API's application on an empty database, without a server around it."""

from __future__ import annotations

import asyncio
import atexit
import functools
import shutil
import tempfile
from collections.abc import Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from tuner.coordinator.loop import Coordinator
from tuner.instruments import Instruments
from tuner.queue.wakeup import WakeUps
from tuner.security.identity import Identity
from tuner.server.app import make_app
from tuner.server.claim_notifier import ClaimNotifier
from tuner.server.http.wire import Wire
from tuner.server.monitoring.health import ServerHealth
from tuner.server.monitoring.metrics import Metrics
from tuner.server.routes.workers import WorkerRedis
from tuner.server.token_book import TokenBook
from tuner.service.demand.reading import Demand
from tuner.service.history import HistoryService
from tuner.service.service import Service
from tuner.service.tokens import TokenDesk
from tuner.service.workers.worker_service import WorkerService
from tuner.settings import Settings, load_settings
from tuner.storage import Storage, open_storage

TOKEN = "api-token-77f0"
#: A good token that allows nothing.
POWERLESS = "api-token-0000"


class _Book(TokenBook):
    """Knows a second token, which allows nothing."""

    async def who(self, token: str) -> Identity:
        if token == POWERLESS:
            return Identity(name="powerless", scopes=frozenset())
        return await super().who(token)


@functools.cache
def api_storage() -> Storage:
    """Return the database behind `api`, empty at first."""
    return open_storage(_settings().database_url, create=True)


@functools.cache
def book() -> TokenBook:
    """Return the tokens of `api`: those of its database, `TOKEN` and `POWERLESS`."""
    return _Book(TOKEN, api_storage())


@functools.cache
def _settings() -> Settings:
    home = Path(tempfile.mkdtemp(prefix="tuner-api-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return load_settings({"TUNER_HOME": str(home)})


@functools.cache
def api() -> FastAPI:
    """Return the application, made once; nobody coordinates, and there is no Redis."""
    return make_api(WorkerService, ClaimNotifier())


def make_api(
    make_desk: Callable[[Storage, Coordinator], WorkerService], bell: ClaimNotifier
) -> FastAPI:
    """Return another application on the same database.

    Args:
        make_desk: makes what answers workers.
        bell: where claims wait.
    """
    settings, storage = _settings(), api_storage()
    wakeups = WakeUps(f"unix://{settings.home}/no-redis.sock")
    coordinator = Coordinator(storage, wakeups)
    health = ServerHealth(storage, wakeups, coordinator, lambda: None)
    demand = Demand(storage)
    return make_app(
        Service(storage, settings),
        make_desk(storage, coordinator),
        bell,
        history=HistoryService(storage),
        health=health,
        metrics=Metrics(storage, coordinator, health, demand),
        demand=demand,
        instruments=Instruments(),
        tokens=book(),
        token_desk=TokenDesk(storage),
        redis=WorkerRedis(url="redis://all@redis", fetching_url="redis://fetch@redis"),
    )


def operations() -> list[tuple[str, str]]:
    """Return method and path of everything that the description knows, the path filled in."""
    found = api().openapi()["paths"].items()
    return sorted(
        (method.upper(), "/".join(_fill(step) for step in path.split("/")))
        for path, item in found
        for method in item
    )


def _fill(step: str) -> str:
    example = {"{digest}": "0" * 64, "{number}": "0"}
    return example.get(step, step.strip("{}"))


class Sent:
    """One request to the application, whose body is counted as it is asked for.

    Args:
        method: of the request.
        path: the same.
        headers: the same.
        body: its pieces.
        client: the address that it comes from.
        app: that is asked; None: the whole of it.
        wire: the connection that it comes on; None: one that nobody knows.

    Attributes:
        asked: how many pieces of the body were asked for.
        status: of the answer.
        headers: of the answer.
        content: the body of the answer.
    """

    def __init__(
        self,
        method: str,
        path: str,
        *headers: tuple[str, str],
        body: Iterable[bytes] = (),
        client: str = "127.0.0.1",
        app: ASGIApp | None = None,
        wire: Wire | None = None,
    ) -> None:
        self.asked = 0
        self.status = 0
        self.headers: dict[str, str] = {}
        self.content = b""
        self._body = iter(body)
        self._scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "http_version": "1.1",
            "server": ("127.0.0.1", 80),
            "client": (client, 1),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
            "tuner.connection": wire,
        }
        asyncio.run((app or api())(self._scope, self._receive, self._take))

    async def _receive(self) -> dict[str, Any]:
        self.asked += 1
        chunk = next(self._body, b"")
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

    async def _take(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        self.content += message.get("body", b"")
