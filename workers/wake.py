"""Wake-ups over RQ: one fixed task, and nothing else that lies in Redis is ever run.

Whoever can write to Redis can enqueue anything. So messages are JSON (RQ's default is pickle, which
runs code when it is read), the only function is the one of this module, and callbacks, webhooks and
commands over pub/sub are off.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from tuner.protocol import WAKE_UP_TASK, Device, queue_name
from workers.typing import override

logger = logging.getLogger(__name__)

#: A wake-up that waits longer is of no use: the coordinator sends another.
BLOCK_S = 5
_TTL_S = 30
_CONNECT_TIMEOUT_S = 2.0


def wake_up() -> None:
    """Do nothing: that the message came is all it says. The worker then claims."""


class RefusedError(Exception):
    """A message in the queue asks for something other than the wake-up."""


class WakeUpJob(Job):
    """A job that can only be the wake-up."""

    @property
    @override
    def func(self) -> Callable[[], None]:
        """The wake-up.

        Raises:
            RefusedError: the message asks for another function, gives it arguments, or wants
                something done afterwards.
        """
        after = (
            self._success_callback_name,
            self._failure_callback_name,
            self._stopped_callback_name,
            self.webhooks,
        )
        if any(after):
            raise RefusedError("callbacks and webhooks are never run")
        if self.func_name != WAKE_UP_TASK or self.instance is not None or self.args or self.kwargs:
            raise RefusedError(f"only {WAKE_UP_TASK}() is run, not {self.func_name!r}")
        return wake_up

    @property
    @override
    def success_callback(self) -> None:
        """No callback: its name would come from the message."""
        return

    @property
    @override
    def failure_callback(self) -> None:
        """No callback: its name would come from the message."""
        return

    @property
    @override
    def stopped_callback(self) -> None:
        """No callback: its name would come from the message."""
        return

    @override
    def send_webhooks(self, status: Any, *, exc_string: str | None = None) -> None:
        """Send nothing: the addresses come from the message."""


class Listener(SimpleWorker):
    """A worker of RQ that executes wake-ups in this process and starts no thread.

    Args:
        url: of Redis.
        device: whose queue to listen on.
        name: of this process among RQ's workers.

    Raises:
        redis.RedisError: Redis does not answer.
    """

    job_class = WakeUpJob
    log_result_lifespan = False

    def __init__(self, url: str, *, device: Device, name: str) -> None:
        connection = redis.Redis.from_url(
            url,
            socket_timeout=BLOCK_S + 5,
            socket_connect_timeout=_CONNECT_TIMEOUT_S,
            # This worker knows better what to do meanwhile: it asks the server.
            retry=Retry(NoBackoff(), 0),
        )
        self._wake_ups = Queue(
            queue_name(device),
            connection=connection,
            job_class=WakeUpJob,
            serializer=JSONSerializer,
        )
        super().__init__(
            [self._wake_ups],
            name=name,
            connection=connection,
            job_class=WakeUpJob,
            serializer=JSONSerializer,
            worker_ttl=_TTL_S,
            log_job_description=False,
        )

    @override
    def subscribe(self) -> None:
        """Subscribe to nothing: the server commands, and a thread would forbid the fork."""

    def wait(self, at_most_s: float = BLOCK_S) -> bool:
        """Wait for a wake-up; return whether one came.

        What else lies in the queue is refused, logged and marked failed.

        Args:
            at_most_s: seconds, in effect whole ones from 1 to `BLOCK_S`.

        Raises:
            redis.RedisError: Redis does not answer.
        """
        self._register()
        try:
            found = Queue.dequeue_any(
                [self._wake_ups],
                # Before version 6, Redis takes whole seconds; 0 would be for ever.
                max(1, min(BLOCK_S, math.ceil(at_most_s))),
                connection=self.connection,
                job_class=WakeUpJob,
                serializer=JSONSerializer,
            )
        except DequeueTimeout:
            return False
        except redis.RedisError:
            raise
        # A forged message may break the reading of it in any way.
        except Exception as exc:  # noqa: BLE001
            self._refuse(getattr(exc, "job_id", "unknown"), exc)
            return False
        if found is None:
            return False
        job, queue = found
        if problem := _problem(job):
            logger.warning("wake-up refused", extra={"job": job.id, "reason": problem})
        self.execute_job(job, queue)
        return problem is None

    def leave(self) -> None:
        """Take this worker off RQ's list; Redis may be gone."""
        try:
            if self.birth_date is not None:
                self.register_death()  # type: ignore[no-untyped-call]
            self.connection.close()
        except redis.RedisError:
            return

    def _register(self) -> None:
        """Say that this worker lives; anew when Redis was emptied."""
        if not self.connection.expire(self.key, _TTL_S):
            self.register_birth()  # type: ignore[no-untyped-call]
            self.set_state(WorkerStatus.IDLE)

    def _refuse(self, job_id: str, exc: Exception) -> None:
        logger.warning("message refused", extra={"job": job_id, "reason": repr(exc)})
        key = f"{self._wake_ups.key}:intermediate"
        self.connection.lrem(key, 1, job_id)


def _problem(job: Job) -> str | None:
    """Return why a message is not the wake-up; None when it is."""
    try:
        _ = job.func
    # Reading a forged payload may fail in any way.
    except Exception as exc:  # noqa: BLE001
        return repr(exc)
    return None
