"""The server process: storage, coordinator, filer and API, started and stopped in order."""

from __future__ import annotations

import contextlib
import functools
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

import uvicorn

from tuner.coordinator.loop import Coordinator
from tuner.errors import SetupError
from tuner.instruments import Instruments
from tuner.queue.wakeup import WakeUps
from tuner.runtime.heaps import freeze_objects, share_heaps
from tuner.server.app import make_app
from tuner.server.claim_notifier import ClaimNotifier
from tuner.server.http.http_server import make_config
from tuner.server.http.listening import Address, Server, listen, urls
from tuner.server.http.tls import Certificate, Tls
from tuner.server.monitoring.health import ServerHealth
from tuner.server.monitoring.metrics import Metrics
from tuner.server.routes.workers import WorkerRedis
from tuner.server.token_book import TokenBook
from tuner.service.demand.reading import Demand
from tuner.service.files.run_file_writer import RunFileWriter
from tuner.service.history import HistoryService
from tuner.service.insights.computing import Insights
from tuner.service.service import Service
from tuner.service.tokens import TokenDesk, workers_identity
from tuner.service.workers.worker_service import WorkerService
from tuner.settings import Settings
from tuner.storage import open_storage

logger = logging.getLogger(__name__)

KEEP_ALIVE_S = 5.0
#: Seconds that a write waits for another process that has locked an SQLite database. Then the
#: caller gets an error, before it has given up (workers wait 20 s), and tries again.
WRITE_PATIENCE_S = 15.0
#: Seconds for a removal: less than clients wait for an answer (`tuner/client.py`).
REMOVAL_S = 20.0
#: Seconds that the coordinator gets to end its round and give up leadership.
STOP_S = 10.0
#: Seconds that a thread computes before another one has its turn. Python's default is 5 ms, and a
#: call passes through several threads.
SWITCH_S = 0.001


def serve(
    settings: Settings,
    *,
    host: str,
    port: int,
    ready: Callable[[str, str], None],
    keep_alive: Callable[[], bool] = lambda: True,
    local_port: int = 0,
) -> None:
    """Serve until SIGTERM or SIGINT, or until `keep_alive` returns False; then release everything.

    Args:
        settings: with `redis_url` and `token` set; they also say whether to use TLS.
        host: address to listen on.
        port: 0 selects a free one.
        ready: called once requests are answered, with the URL for this machine's own commands and
            workers, and the URL for others.
        keep_alive: called every few seconds; returns whether the service is still wanted.
        local_port: for this machine's own commands, if `port` is not for them; 0 selects a free
            one.

    Raises:
        SetupError: the address or the certificate cannot be used, other machines would send their
            tokens in plain text, or the token or Redis is missing.
        KeyboardInterrupt: SIGINT ended it.
    """
    if not settings.token or not settings.redis_url:
        raise SetupError("the server needs a token and a Redis URL")
    workers = workers_identity(settings)
    sys.setswitchinterval(SWITCH_S)
    share_heaps()
    with contextlib.ExitStack() as held:
        # First, because what is entered first is left last: a signal never interrupts the cleanup.
        signals = held.enter_context(_Signals())
        tls = _tls(settings)
        address = Address(
            host=host,
            port=port,
            is_protected=tls is not None or settings.behind_proxy,
            local_port=local_port,
        )
        listeners = held.enter_context(listen(address, tls))
        storage = open_storage(settings.database_url, create=True, patience_s=WRITE_PATIENCE_S)
        held.callback(storage.close)
        wakeups = held.enter_context(contextlib.closing(WakeUps(settings.redis_url)))
        filer = RunFileWriter(
            storage,
            settings.log_root,
            settings.checkpoint_root,
            leads=lambda: coordinator.leads,
            insights=Insights(storage),
        )
        bell = ClaimNotifier()
        instruments = Instruments()
        coordinator = Coordinator(
            storage,
            wakeups,
            on_ready=bell.notify,
            storage_problem=filer.problem,
            instruments=instruments,
        )
        health = held.enter_context(
            contextlib.closing(
                ServerHealth(storage, wakeups, coordinator, filer.problem, filer.trouble)
            )
        )
        demand = Demand(storage, filer.problem)
        metrics = held.enter_context(
            contextlib.closing(Metrics(storage, coordinator, health, demand))
        )
        app = make_app(
            Service(storage, settings, on_change=coordinator.wake, removal_s=REMOVAL_S),
            WorkerService(storage, coordinator, filer.problem, workers),
            bell,
            history=HistoryService(storage),
            health=health,
            metrics=metrics,
            demand=demand,
            instruments=instruments,
            tokens=held.enter_context(
                contextlib.closing(
                    TokenBook(settings.token, storage, settings.worker_token, workers)
                )
            ),
            token_desk=TokenDesk(storage),
            redis=_worker_redis(settings),
        )
        server = Server(make_config(app, settings.proxies), listeners, tls)
        filer.start()
        held.callback(filer.stop)
        _start_coordinator(coordinator, held, void_dead_local=storage.is_sqlite)
        threading.Thread(
            target=_watch,
            args=(server, functools.partial(ready, *urls(listeners)), keep_alive),
            name="watch",
            daemon=True,
        ).start()
        signals.end(server)
        freeze_objects()
        server.run()
    logger.info("server ended")
    if signals.interrupted:
        raise KeyboardInterrupt


class _Signals:
    """Turns SIGTERM and SIGINT into an orderly shutdown, until everything is released.

    uvicorn handles the signals only while it runs; afterwards it restores these handlers and raises
    again what it caught, which would otherwise end the process before it has cleaned up. Outside
    the main thread there are no signals.
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

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def end(self, server: uvicorn.Server) -> None:
        """Make the signals stop this server; a signal that came earlier stops it immediately."""
        self._server = server
        server.should_exit = self._asked

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._asked = True
        self.interrupted = self.interrupted or number == signal.SIGINT
        if self._server is not None:
            self._server.should_exit = True


def _tls(settings: Settings) -> Tls | None:
    cert, key = settings.tls_cert, settings.tls_key
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise SetupError("TLS needs both --tls-cert FILE and --tls-key FILE")
    return Tls(Certificate(cert=cert, key=key))


def _worker_redis(settings: Settings) -> WorkerRedis:
    of_workers = settings.worker_redis_url
    return WorkerRedis(
        url=of_workers or settings.redis_url,
        fetching_url=None if of_workers == settings.redis_url else of_workers,
    )


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


def _watch(
    server: uvicorn.Server, ready: Callable[[], None], keep_alive: Callable[[], bool]
) -> None:
    while not server.started:
        if server.should_exit:
            return
        time.sleep(0.01)
    ready()
    while not server.should_exit:
        time.sleep(KEEP_ALIVE_S)
        if not keep_alive():
            logger.info("nobody uses this service any more")
            server.should_exit = True
