"""Wake-ups over RQ: one fixed task, and nothing else that lies in Redis is ever run.

Whoever can write to Redis can enqueue anything, so a wake-up is only a signal: it is read within
bounds, checked, removed and never executed. RQ's own worker would run callbacks and retries, and
skip dead ids without limit; here it only appears in RQ's list of workers. Commands over pub/sub are
off.
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

#: Seconds for which a wake-up is useful: after that the coordinator sends another.
BLOCK_S = 5
_TTL_S = 30
_CONNECT_TIMEOUT_S = 2.0
#: Maximum seconds for removing what is not a wake-up; then the worker claims and beats before it
#: continues.
CLEAR_S = 1.0
#: Number of dead ids removed at a time.
_BATCH = 1000
#: Maximum number of refused messages that are logged individually, each time.
_MAX_SAID = 20
#: Seconds for which a wake-up is kept if its sender wants to know the result.
_KEPT_S = 60


def wake_up() -> None:
    """Do nothing: the arrival of the message is its only content. The worker then claims."""


class Listener(SimpleWorker):
    """An RQ worker that waits for wake-ups in this process, without a thread.

    Args:
        device: the kind of device whose queue to listen on.
        devices: number of devices of that kind that this worker owns.
        name: name of this process among RQ's workers.

    Raises:
        redis.RedisError: Redis does not answer.
    """

    log_result_lifespan = False

    def __init__(self, url: str, *, device: Device, name: str, devices: int = 1) -> None:
        connection = redis.Redis.from_url(
            url,
            socket_timeout=BLOCK_S + 5,
            socket_connect_timeout=_CONNECT_TIMEOUT_S,
            # This worker has something better to do meanwhile: it asks the server.
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
        """Subscribe to nothing: the server gives the orders, and a thread would prevent forking."""

    def wait(self, at_most_s: float = BLOCK_S) -> bool:
        """Wait for a wake-up; return whether one came, or so much else that it may hide one.

        Everything else in the queue is refused, logged and removed.

        Args:
            at_most_s: maximum seconds, effectively whole ones from 1 to `BLOCK_S`.

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
                # Too much to remove before the next beat: a wake-up may be behind it.
                break
            job_id = self._next(None)
        if refused > _MAX_SAID:
            logger.warning("messages refused", extra={"count": refused})
        return job_id is not None

    def leave(self) -> None:
        """Remove this worker from RQ's list; Redis may be gone."""
        try:
            if self.birth_date is not None:
                # If a call was interrupted, the connection may hold an answer that nobody has read.
                self.connection.connection_pool.disconnect()
                self.register_death()  # type: ignore[no-untyped-call]
            self.connection.close()
        except redis.RedisError:
            return

    def _next(self, timeout_s: int | None) -> str | None:
        """Take the first id out of the queue; None if there is none within the timeout."""
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
        # RQ's second list is for long-running messages; losing a wake-up does no harm.
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
        """Record that a wake-up has done its work."""
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
        """Register this worker as alive; again if Redis was emptied."""
        if not self.connection.expire(self.key, _TTL_S):
            self.register_birth()  # type: ignore[no-untyped-call]
            self.set_state(WorkerStatus.IDLE)


def _text(name: bytes | str) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
