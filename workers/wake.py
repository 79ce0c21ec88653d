"""Wake-ups over RQ: one fixed task, and nothing else that lies in Redis is ever run.

Whoever can write to Redis can enqueue anything. So a wake-up is no more than a word: it is read
within bounds, checked, taken away and never executed. RQ's own worker would run callbacks and
retries, and skip dead ids without an end; here it only stands in RQ's list of workers. Commands
over pub/sub are off.
"""

from __future__ import annotations

import logging
import math
import time
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout
from rq.serializers import JSONSerializer
from rq.utils import get_version
from rq.worker import WorkerStatus

from tuner.protocol import Device, queue_name
from workers.host.typing import override
from workers.message import dead_ids, job_key, read_message

logger = logging.getLogger(__name__)

#: A wake-up that waits longer is of no use: the coordinator sends another.
BLOCK_S = 5
_TTL_S = 30
_CONNECT_TIMEOUT_S = 2.0
#: What is no wake-up is cleared away for so long; then the worker claims and beats before it goes
#: on.
CLEAR_S = 1.0
#: Dead ids that are cleared away together.
_BATCH = 1000
#: Refused messages that are told one by one, each time.
_MAX_SAID = 20
#: A wake-up whose sender wants to know what became of it is kept so long.
_KEPT_S = 60


def wake_up() -> None:
    """Do nothing: that the message came is all it says. The worker then claims."""


class Listener(SimpleWorker):
    """A worker of RQ that waits for wake-ups in this process, without a thread.

    Args:
        url: of Redis.
        device: whose queue to listen on.
        devices: how many of that kind this worker owns.
        name: of this process among RQ's workers.

    Raises:
        redis.RedisError: Redis does not answer.
    """

    log_result_lifespan = False

    def __init__(self, url: str, *, device: Device, name: str, devices: int = 1) -> None:
        connection = redis.Redis.from_url(
            url,
            socket_timeout=BLOCK_S + 5,
            socket_connect_timeout=_CONNECT_TIMEOUT_S,
            # This worker knows better what to do meanwhile: it asks the server.
            retry=Retry(NoBackoff(), 0),
        )
        self._wake_ups = Queue(
            queue_name(device, devices),
            connection=connection,
            serializer=JSONSerializer,
        )
        super().__init__(
            [self._wake_ups],
            name=name,
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=_TTL_S,
            log_job_description=False,
        )

    @override
    def subscribe(self) -> None:
        """Subscribe to nothing: the server commands, and a thread would forbid the fork."""

    def wait(self, at_most_s: float = BLOCK_S) -> bool:
        """Wait for a wake-up; return whether one came, or so much else that it may hide one.

        What else lies in the queue is refused, logged and removed.

        Args:
            at_most_s: seconds, in effect whole ones from 1 to `BLOCK_S`.

        Raises:
            redis.RedisError: Redis does not answer.
        """
        self._register()
        job_id = self._next(max(1, min(BLOCK_S, math.ceil(at_most_s))))
        deadline = time.monotonic() + CLEAR_S
        refused = 0
        while job_id is not None:
            kind, problem = read_message(self.connection, job_id)
            if kind == "dead":
                self._clear_dead()
            elif kind == "refused":
                refused += 1
                self._refuse(job_id, problem, is_said=refused <= _MAX_SAID)
            else:
                self._take(job_id)
                break
            if time.monotonic() >= deadline:
                # Too much to clear away before the next beat: a wake-up may lie behind it.
                break
            job_id = self._next(None)
        if refused > _MAX_SAID:
            logger.warning("messages refused", extra={"count": refused})
        return job_id is not None

    def leave(self) -> None:
        """Take this worker off RQ's list; Redis may be gone."""
        try:
            if self.birth_date is not None:
                # Interrupted in a call, the connection may hold an answer that nobody has read.
                self.connection.connection_pool.disconnect()
                self.register_death()  # type: ignore[no-untyped-call]
            self.connection.close()
        except redis.RedisError:
            return

    def _next(self, timeout_s: int | None) -> str | None:
        """Take the first id out of the queue; None when there is none (so long)."""
        key = self._wake_ups.key
        try:
            if get_version(self.connection) >= (6, 2, 0):
                found = Queue.lmove(self.connection, key, timeout_s)
            else:
                found = Queue.lpop([key], timeout_s, connection=self.connection)
        except DequeueTimeout:
            return None
        if found is None:
            return None
        # RQ's second list is for messages that take long; a wake-up may be lost.
        raw: Any = found[1]
        self.connection.lrem(f"{key}:intermediate", 1, raw)
        return _text(raw)

    def _clear_dead(self) -> None:
        """Remove the dead ids among the next ones."""
        key = self._wake_ups.key
        raw = self.connection.lrange(key, 0, _BATCH - 1)
        ids = [_text(name) for name in raw]
        if dead := dead_ids(self.connection, ids):
            with self.connection.pipeline(transaction=False) as pipeline:
                for name in dead:
                    pipeline.lrem(key, 1, name)
                pipeline.execute()

    def _take(self, job_id: str) -> None:
        """Note that a wake-up has done what it is for."""
        key = job_key(job_id)
        if self.connection.hget(key, "result_ttl") in (None, b"0"):
            self.connection.delete(key)
        else:
            self.connection.hset(key, "status", "finished")
            self.connection.expire(key, _KEPT_S)

    def _refuse(self, job_id: str, problem: str, *, is_said: bool) -> None:
        if is_said:
            logger.warning("message refused", extra={"job": job_id, "reason": problem})
        self.connection.delete(job_key(job_id))

    def _register(self) -> None:
        """Say that this worker lives; anew when Redis was emptied."""
        if not self.connection.expire(self.key, _TTL_S):
            self.register_birth()  # type: ignore[no-untyped-call]
            self.set_state(WorkerStatus.IDLE)


def _text(name: bytes | str) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
