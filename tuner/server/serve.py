"""The server process: storage, coordinator, filer and API, started and ended in order."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable

import uvicorn

from tuner.coordinator.loop import Coordinator
from tuner.errors import SetupError
from tuner.queue.wakeup import WakeUps
from tuner.server.app import make_app
from tuner.server.bell import Bell
from tuner.service.desk import WorkerDesk
from tuner.service.filing import Filer
from tuner.service.service import Service
from tuner.settings import Settings
from tuner.storage import open_storage

logger = logging.getLogger(__name__)

KEEP_ALIVE_S = 5.0
#: Open requests get this long to end; a claim that waits is simply cut.
SHUTDOWN_S = 2


def serve(
    settings: Settings,
    *,
    host: str,
    port: int,
    ready: Callable[[str], None],
    keep_alive: Callable[[], bool] = lambda: True,
) -> None:
    """Serve until SIGTERM or SIGINT, or until `keep_alive` says no.

    Args:
        settings: with `redis_url` and `token` set.
        host: address to listen on.
        port: 0 takes a free one.
        ready: called with the URL once requests are answered.
        keep_alive: asked every few seconds whether the service is still wanted.

    Raises:
        SetupError: the address cannot be used, or token or Redis are missing.
    """
    if not settings.token or not settings.redis_url:
        raise SetupError("the server needs a token and a Redis URL")
    listener = _listen(host, port)
    storage = open_storage(settings.database_url, create=True)
    filer = Filer(storage, settings.log_root, settings.checkpoint_root)
    wakeups = WakeUps(settings.redis_url)
    bell = Bell()
    coordinator = Coordinator(storage, wakeups, on_ready=bell.ring, storage_problem=filer.problem)
    service = Service(storage, settings, on_change=coordinator.wake)
    desk = WorkerDesk(storage, coordinator, filer.problem)
    app = make_app(service, desk, bell, token=settings.token, redis_url=settings.redis_url)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=SHUTDOWN_S,
            lifespan="on",
        )
    )
    loop = threading.Thread(
        target=coordinator.run,
        name="coordinator",
        kwargs={"void_dead_local": storage.is_sqlite},
        daemon=True,
    )
    watch = threading.Thread(
        target=_watch,
        args=(server, _url(listener), ready, keep_alive),
        name="watch",
        daemon=True,
    )
    filer.start()
    loop.start()
    watch.start()
    try:
        server.run(sockets=[listener])
    finally:
        coordinator.stop()
        loop.join(timeout=10)
        filer.stop()
        wakeups.close()
        storage.close()
        logger.info("server ended")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # With the protocol named, asyncio sets TCP_NODELAY on what this socket accepts. Without it
        # every answer waits 40 ms for the client's acknowledgement of its first segment.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as exc:
        raise SetupError(f"cannot listen on {host}:{port}: {exc.strerror}") from exc
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _watch(
    server: uvicorn.Server, url: str, ready: Callable[[str], None], keep_alive: Callable[[], bool]
) -> None:
    while not server.started:
        if server.should_exit:
            return
        time.sleep(0.01)
    ready(url)
    while not server.should_exit:
        time.sleep(KEEP_ALIVE_S)
        if not keep_alive():
            logger.info("nobody uses this service any more")
            server.should_exit = True
