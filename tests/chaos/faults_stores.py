"""Redis and the database: killed, emptied, filled, locked, and messages doubled."""

from __future__ import annotations

import signal
import sqlite3

import redis
import sqlalchemy as sa
from rq import Queue
from rq.serializers import JSONSerializer

from tests.chaos.faults import DATABASE, REDIS, SERVERS, Fault, FaultKind
from tests.chaos.faults_processes import PAST_LEASE
from tests.chaos.stack import Kind
from tests.support.patience import wait_until
from tests.support.processes import is_alive, send
from tuner.protocol import WAKE_UP_TASK, queue_name


class KillRedis(Fault):
    """kill -9 of Redis; it comes back with what it had written down."""

    needs = frozenset({REDIS})

    def begin(self) -> bool:
        pid = self.stack.redis.pid
        assert pid is not None
        killed = send(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid), "redis dies", seconds=30)
        return killed

    def end(self) -> None:
        self.stack.redis.start()


class FlushRedis(Fault):
    """FLUSHALL: Redis forgets messages, workers and all."""

    needs = frozenset({REDIS})

    def begin(self) -> bool:
        with self.stack.redis_client() as client:
            return bool(client.flushall())


class FillRedis(Fault):
    """Redis has no memory left and evicts nothing: it refuses every write."""

    needs = frozenset({REDIS})

    def begin(self) -> bool:
        with self.stack.redis_client() as client:
            client.config_set("maxmemory", "1")
            try:
                client.set("chaos", "x")
            except redis.exceptions.OutOfMemoryError:
                return True
        raise AssertionError("a full Redis takes a write")

    def end(self) -> None:
        with self.stack.redis_client() as client:
            client.config_set("maxmemory", "0")


class DoubleMessages(Fault):
    """What lies in the queue, and some more, is delivered twice and in another order."""

    needs = frozenset({REDIS})

    def begin(self) -> bool:
        with self.stack.redis_client() as client:
            queue = Queue(queue_name("cpu"), connection=client, serializer=JSONSerializer)
            for _ in range(3):
                queue.enqueue_call(WAKE_UP_TASK, timeout=-1, result_ttl=0)
            ids = queue.get_job_ids() * 2
            self.chance.shuffle(ids)
            client.delete(queue.key)
            if ids:
                client.rpush(queue.key, *ids)
        self.said = f"{len(ids)} messages"
        # Idle workers may have been faster.
        return len(ids) >= 2


class CrashPostgres(Fault):
    """The immediate stop of PostgreSQL, which then recovers from its log."""

    needs = frozenset({DATABASE, SERVERS})

    def begin(self) -> bool:
        assert self.stack.postgres is not None
        self.stack.postgres.crash()
        return True

    def end(self) -> None:
        assert self.stack.postgres is not None
        self.stack.postgres.start()


class LockSqlite(Fault):
    """Somebody else holds the only right to write."""

    needs = frozenset({DATABASE, SERVERS})

    def begin(self) -> bool:
        path = sa.make_url(self.stack.database_url).database
        assert path is not None
        self._connection = sqlite3.connect(path, timeout=20, isolation_level=None)
        self._connection.execute("BEGIN EXCLUSIVE")
        return True

    def end(self) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.close()


_LOCK: tuple[Kind, ...] = ("sqlite",)
_CRASH: tuple[Kind, ...] = ("postgresql",)
KINDS: dict[str, FaultKind] = {
    "kill redis": FaultKind(make=KillRedis, lasts=(0.2, 1.0)),
    "FLUSHALL": FaultKind(make=FlushRedis),
    "redis full": FaultKind(make=FillRedis, lasts=(0.5, 1.5)),
    "messages doubled and reordered": FaultKind(make=DoubleMessages),
    "PostgreSQL stopped at once": FaultKind(make=CrashPostgres, lasts=(0.0, 0.8), kinds=_CRASH),
    "database outage past the lease": FaultKind(make=CrashPostgres, lasts=PAST_LEASE, kinds=_CRASH),
    "database locked past the lease": FaultKind(make=LockSqlite, lasts=PAST_LEASE, kinds=_LOCK),
}
