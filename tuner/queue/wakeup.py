"""Wakes idle workers through RQ: a message only says that there may be work."""

from __future__ import annotations

import logging
import time
from typing import get_args

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer

from tuner.protocol import MAX_DEVICES, WAKE_UP_TASK, Device, queue_name
from tuner.runtime.faultpoints import reach

logger = logging.getLogger(__name__)

#: Maximum seconds that the API waits for Redis.
SOCKET_TIMEOUT_S = 0.5
#: Seconds for which Redis is not contacted after a failure.
PAUSE_S = 2.0
#: Seconds after which a wake-up that nobody has fetched is useless.
TTL_S = 60


class WakeUps:
    """Sends wake-ups. If Redis was emptied or unavailable, they are simply sent again."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=SOCKET_TIMEOUT_S,
            socket_connect_timeout=SOCKET_TIMEOUT_S,
            # The default of ten retries would block the coordinator for seconds.
            retry=Retry(NoBackoff(), 0),
        )
        self._queues: dict[str, Queue] = {}
        self._paused_until = 0.0
        self.problem: str | None = None

    def send(self, device: Device, wanted: int, *, devices: int = 1) -> int:
        """Top up the waiting wake-ups to `wanted`; return how many were sent.

        Args:
            wanted: number of wake-ups.
            devices: number of devices of that kind that such a worker owns.
        """
        if wanted <= 0 or time.monotonic() < self._paused_until:
            return 0
        try:
            queue = self._queue(queue_name(device, devices))
            missing = wanted - queue.count
            reach("send.before")
            for _ in range(missing):
                # -1: RQ's own time limit must not end the worker's run of trials.
                queue.enqueue_call(
                    WAKE_UP_TASK, timeout=-1, result_ttl=0, failure_ttl=TTL_S, ttl=TTL_S
                )
            reach("send.after")
        except redis.RedisError as exc:
            self._note_problem(exc)
            return 0
        if self.problem is not None:
            logger.info("redis is back")
            self.problem = None
        return max(0, missing)

    def lengths(self) -> dict[Device, int] | None:
        """Return the number of wake-ups by kind of device, None if Redis does not answer.

        Thread-safe.
        """
        kinds: tuple[Device, ...] = get_args(Device)
        queues = [
            (kind, n) for kind in kinds for n in range(1, 1 + (MAX_DEVICES if kind == "gpu" else 1))
        ]
        found = dict.fromkeys(kinds, 0)
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                for kind, devices in queues:
                    name = queue_name(kind, devices)
                    pipeline.llen(Queue.redis_queue_namespace_prefix + name)
                for (kind, _), length in zip(queues, pipeline.execute(), strict=True):
                    found[kind] += length
        except redis.RedisError:
            return None
        return found

    def close(self) -> None:
        """Close the connection."""
        self._redis.close()

    def _queue(self, name: str) -> Queue:
        if name not in self._queues:
            self._queues[name] = Queue(name, connection=self._redis, serializer=JSONSerializer)
        return self._queues[name]

    def _note_problem(self, exc: redis.RedisError) -> None:
        # Workers poll while Redis is unavailable, so this costs seconds, not trials.
        self._paused_until = time.monotonic() + PAUSE_S
        if self.problem is None:
            logger.warning("redis is not available", extra={"error": type(exc).__name__})
        self.problem = f"Redis is not available ({type(exc).__name__}); workers poll meanwhile"
