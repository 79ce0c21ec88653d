"""What a recovery is measured with: servers of our own to kill, and when they are ready for it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import redis
import sqlalchemy as sa

from tests.benchmarks.stack import Stack, fresh_settings, wait_until
from tests.support.servers import PostgresServer, open_postgres
from tuner.queue.redis_process import RedisServer
from tuner.queue.redis_server import find_binary
from tuner.settings import Settings
from tuner.storage import tables

#: Of two servers that stand for each other.
TOKEN = "recovery-4c1f"


@contextlib.contextmanager
def own_redis() -> Iterator[RedisServer]:
    """Yield a Redis that is no child of the server."""
    folder = Path(tempfile.mkdtemp(prefix="tuner-bench-redis-"))
    server = RedisServer(find_binary().path, folder / "data")
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def on_postgres() -> Iterator[tuple[PostgresServer, Settings]]:
    """Yield a PostgreSQL of our own, and settings with it and with a Redis."""
    server = open_postgres(private=True)
    try:
        with (
            own_redis() as wake_ups,
            server.fresh_database() as url,
            fresh_settings(url, TUNER_REDIS_URL=wake_ups.url, TUNER_TOKEN=TOKEN) as settings,
        ):
            yield server, settings
    finally:
        server.stop()


def kill_redis(pid: int | None) -> None:
    if pid is None:
        raise RuntimeError("Redis does not run")
    os.kill(pid, signal.SIGKILL)


def wait_sent(redis_url: str) -> None:
    """Wait until a wake-up was sent; one that a stopped worker was handed is no longer queued."""
    with redis.Redis.from_url(redis_url) as client:
        wait_until(lambda: any(True for _ in client.scan_iter("rq:job:*")), "a wake-up is sent")


def wait_listening(redis_url: str, count: int) -> None:
    """Wait until so many workers wait for a wake-up, and no longer for the server."""
    with redis.Redis.from_url(redis_url) as client:
        wait_until(lambda: client.info("clients")["blocked_clients"] == count, "the workers wait")


def wait_leads(stack: Stack) -> None:
    """Wait until the coordinator of this server leads."""
    engine = sa.create_engine(stack.settings.database_url, poolclass=sa.NullPool)

    def leads() -> bool:
        with engine.connect() as connection:
            holder = connection.execute(sa.select(tables.leader.c.holder)).scalar() or ""
        return f"-{stack.server_pid}-" in holder

    wait_until(leads, "the first server leads")


def send_signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)
