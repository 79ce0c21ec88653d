"""The service: `serve` in the foreground, and `down`."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import signal
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from tuner.cli.arguments import settings
from tuner.cli.printing import say
from tuner.errors import SetupError, UnavailableError
from tuner.local.closing import close_home, close_roots
from tuner.local.fleets.fleet import all_fleets
from tuner.local.home import (
    ServiceInfo,
    home_lock,
    make_token,
    read_port,
    read_service,
    running_service,
    write_port,
    write_service,
)
from tuner.local.runs import IdleWatch, live_runs
from tuner.local.service import end_service
from tuner.release import release
from tuner.runtime.logs import configure_logging
from tuner.runtime.system import require_linux
from tuner.settings import Settings, parse_proxies

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from tuner.queue.redis_server import RedisChoice


def serve(
    *,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines connect.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Port to listen on. Default: the previous port if free, so that workers find the "
            "service again; 0 takes a free one.",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Certificate (PEM) for https; needs --tls-key."),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Private key of the certificate (PEM).")
    ] = None,
    behind_proxy: Annotated[
        bool,
        typer.Option(
            "--behind-proxy",
            help="Serve plain http to other machines: behind a proxy with TLS, or on a network "
            "that nobody else uses.",
        ),
    ] = False,
    proxy: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Like --behind-proxy, and believe the proxy at this address or network (several "
            "with commas) where a request comes from.",
        ),
    ] = None,
    while_used: Annotated[bool, typer.Option("--while-used", hidden=True)] = False,
) -> None:
    """Run the API and the coordinator in the foreground, until Ctrl-C or `tuner down`."""
    from tuner.server import serve as serve_api

    require_linux("tuner serve")
    config = settings()
    if config.api_url:
        raise SetupError(
            f"TUNER_API_URL={config.api_url}: names another server; unset it to run one here"
        )
    configure_logging(config.log_format)
    _log_optuna_as_ours()
    # Set before Redis starts, so that what was started ends in order. (Later `serve_api` handles
    # it.)
    signal.signal(signal.SIGTERM, _leave)
    with _hold_home(config), _redis(config) as redis:
        close_roots(config)
        local_port = _last_port(config, "127.0.0.1", which="local-port")
        port = _choose_port(config, host, port)
        config = dataclasses.replace(
            config,
            tls_cert=tls_cert or config.tls_cert,
            tls_key=tls_key or config.tls_key,
            behind_proxy=behind_proxy or bool(proxy) or config.behind_proxy,
            proxies=parse_proxies("--proxy", proxy) if proxy else config.proxies,
            redis_url=redis.url,
            worker_redis_url=redis.worker_url,
            token=make_token(config),
        )
        keeper = IdleWatch(config)

        def keep_alive() -> bool:
            # Called every few seconds by one thread, throughout the life of the service.
            redis.revive()
            return _is_kept(config) or keeper.is_used()

        try:
            serve_api(
                config,
                host=host,
                port=port,
                ready=lambda url, shown: _announce(
                    config, url, shown, redis, while_used=while_used
                ),
                keep_alive=keep_alive,
                local_port=local_port,
            )
        finally:
            config.service_path.unlink(missing_ok=True)


def down() -> None:
    """Stop the workers and the service of this machine; `serve` or `run` resume later."""
    from tuner.cli.render.waiting import waiting

    config = settings()
    runs = live_runs(config)
    if runs:
        who = ", ".join(f"{study} (pid {pid})" for pid, study in runs.items())
        raise SetupError(f"`tuner run` is still at work: {who}; end it with Ctrl-C first")
    for fleet in all_fleets(config):
        state = fleet.state()
        if state is not None:
            say(f"ending {state.count} workers …")
        fleet.end()
    info = running_service(config)
    if info is None:
        config.service_path.unlink(missing_ok=True)
        say("no service is running here")
        return
    with waiting("ending the service"):
        end_service(config, info, grace_s=15.0)
    say(f"the service at {info.url} has ended")


def _log_optuna_as_ours() -> None:
    """Have Optuna's messages take the form of all others, not a handler of its own."""
    import optuna

    optuna.logging.disable_default_handler()
    optuna.logging.enable_propagation()


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _announce(
    config: Settings, url: str, shown: str, redis: RedisChoice, *, while_used: bool
) -> None:
    """Say where the service is: to this machine's own at `url`, to people at `shown`."""
    info = ServiceInfo(
        pid=os.getpid(),
        url=url,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        release=release(),
        persistent=not while_used,
        redis=redis.source,
    )
    write_port(config, shown)
    if url != shown:
        write_port(config, url, which="local-port")
    write_service(config, info)
    # The database exists by now.
    close_home(config.home)
    if config.log_format == "json":
        facts = {
            "url": shown,
            "release": info.release,
            "home": str(config.home),
            "redis": info.redis,
        }
        logger.info("serving", extra=facts)
        return
    say(f"Tuner {release()} serves {shown}  (documentation: {shown}/docs)")
    say(f"home {config.home}, {redis.source}")


def _is_kept(config: Settings) -> bool:
    info = read_service(config)
    return info is not None and info.persistent


@contextlib.contextmanager
def _hold_home(config: Settings) -> Iterator[None]:
    """Hold the home's lock; wait for a command that changes a study, refuse a second service."""
    lock = home_lock(config)
    try:
        lock.acquire(wait_s=0.0 if running_service(config) else 3.0)
    except UnavailableError as exc:
        raise SetupError(f"{exc}; `tuner down` ends a service") from exc
    with lock:
        yield


@contextlib.contextmanager
def _redis(config: Settings) -> Iterator[RedisChoice]:
    from tuner.queue.redis_server import resolve_redis

    choice = resolve_redis(config)
    try:
        yield choice
    finally:
        choice.stop()


def _choose_port(config: Settings, host: str, port: int | None) -> int:
    """Return the port to listen on; refuse one that is taken before anything is started for it."""
    if port is None:
        return _last_port(config, host, which="port")
    blocker = _blocker(host, port)
    if blocker is not None:
        raise SetupError(
            f"--host {host} --port {port}: cannot listen there: {blocker.strerror}; "
            f"choose another port, or 0 for a free one"
        ) from blocker
    return port


def _last_port(config: Settings, host: str, *, which: str) -> int:
    """Return the port that a listener of the service had, 0 where it is not known or not free."""
    last = read_port(config, which=which)
    return last if last and _blocker(host, last) is None else 0


def _blocker(host: str, port: int) -> OSError | None:
    """Return why nothing can listen on a port; None: it is free."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as exc:
        return exc
    return None
