"""The server process: storage, coordinator, filer and API, started and ended in order."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType

import uvicorn

from tuner.coordinator.instruments import Instruments
from tuner.coordinator.loop import Coordinator
from tuner.errors import SetupError
from tuner.queue.wakeup import WakeUps
from tuner.server.app import make_app
from tuner.server.bell import Bell
from tuner.server.health import Health
from tuner.server.metrics import Metrics
from tuner.server.token_book import TokenBook
from tuner.service.desk import WorkerDesk
from tuner.service.filing import Filer
from tuner.service.history import HistoryDesk
from tuner.service.service import Service
from tuner.service.tokens import TokenDesk
from tuner.settings import Settings
from tuner.storage import open_storage

logger = logging.getLogger(__name__)

KEEP_ALIVE_S = 5.0
#: Open requests get this long to end; a claim that waits is simply cut.
SHUTDOWN_S = 2
#: An unused connection is kept so long.
KEEP_CONNECTION_S = 75
#: The coordinator gets this long to end its round and to give up the lead.
STOP_S = 10.0


def serve(
    settings: Settings,
    *,
    host: str,
    port: int,
    ready: Callable[[str], None],
    keep_alive: Callable[[], bool] = lambda: True,
) -> None:
    """Serve until SIGTERM or SIGINT, or until `keep_alive` says no; then release everything.

    Args:
        settings: with `redis_url` and `token` set.
        host: address to listen on.
        port: 0 takes a free one.
        ready: called with the URL once requests are answered.
        keep_alive: asked every few seconds whether the service is still wanted.

    Raises:
        SetupError: the address cannot be used, or token or Redis are missing.
        KeyboardInterrupt: it was ended by SIGINT.
    """
    if not settings.token or not settings.redis_url:
        raise SetupError("the server needs a token and a Redis URL")
    with contextlib.ExitStack() as held:
        # First, because what is entered first is left last: a signal never cuts the cleaning up.
        signals = held.enter_context(_Signals())
        listener = held.enter_context(_listen(host, port))
        storage = open_storage(settings.database_url, create=True)
        held.callback(storage.close)
        wakeups = held.enter_context(contextlib.closing(WakeUps(settings.redis_url)))
        filer = Filer(
            storage,
            settings.log_root,
            settings.checkpoint_root,
            leads=lambda: coordinator.leads,
        )
        bell = Bell()
        instruments = Instruments()
        coordinator = Coordinator(
            storage,
            wakeups,
            on_ready=bell.ring,
            storage_problem=filer.problem,
            instruments=instruments,
        )
        health = held.enter_context(
            contextlib.closing(Health(storage, wakeups, coordinator, filer.problem))
        )
        metrics = held.enter_context(contextlib.closing(Metrics(storage, coordinator, health)))
        app = make_app(
            Service(storage, settings, on_change=coordinator.wake),
            WorkerDesk(storage, coordinator, filer.problem),
            bell,
            history=HistoryDesk(storage),
            health=health,
            metrics=metrics,
            instruments=instruments,
            tokens=held.enter_context(contextlib.closing(TokenBook(settings.token, storage))),
            token_desk=TokenDesk(storage),
            redis_url=settings.worker_redis_url or settings.redis_url,
        )
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=SHUTDOWN_S,
                # Longer than workers keep an unused connection (`workers/api.py`), so that a call
                # is never sent on one that is being closed.
                timeout_keep_alive=KEEP_CONNECTION_S,
                lifespan="on",
            )
        )
        filer.start()
        held.callback(filer.stop)
        _start_coordinator(coordinator, held, void_dead_local=storage.is_sqlite)
        threading.Thread(
            target=_watch,
            args=(server, _url(listener), ready, keep_alive),
            name="watch",
            daemon=True,
        ).start()
        signals.end(server)
        server.run(sockets=[listener])
    logger.info("server ended")
    if signals.interrupted:
        raise KeyboardInterrupt


class _Signals:
    """Makes SIGTERM and SIGINT an orderly end, until everything is released.

    uvicorn takes the signals only while it runs; afterwards it puts these handlers back and raises
    again what it caught, which would otherwise end the process before it has cleaned up. In another
    thread than the main one there are no signals.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self._asked = False
        self._server: uvicorn.Server | None = None
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> _Signals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def end(self, server: uvicorn.Server) -> None:
        """Have the signals end this server; one that came already does so at once."""
        self._server = server
        server.should_exit = self._asked

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._asked = True
        self.interrupted = self.interrupted or number == signal.SIGINT
        if self._server is not None:
            self._server.should_exit = True


def _start_coordinator(
    coordinator: Coordinator, held: contextlib.ExitStack, *, void_dead_local: bool
) -> None:
    thread = threading.Thread(
        target=coordinator.run,
        name="coordinator",
        kwargs={"void_dead_local": void_dead_local},
        daemon=True,
    )
    thread.start()

    def stop() -> None:
        coordinator.stop()
        thread.join(timeout=STOP_S)

    held.callback(stop)


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
