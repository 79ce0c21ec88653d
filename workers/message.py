"""What an id in the queue of wake-ups refers to: a wake-up, something else, or nothing.

Everything is read within bounds: whoever can write to Redis can put anything there. Nothing is ever
executed, so callbacks and retries of a message have no effect.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any, Literal

import redis

from tuner.protocol import WAKE_UP_TASK

#: Maximum size, packed and unpacked; a wake-up takes about seventy bytes.
MAX_DATA_BYTES = 4096
#: RQ's fields for functions to be called afterwards.
_AFTERWARDS = (
    "success_callback_name",
    "failure_callback_name",
    "stopped_callback_name",
    "webhooks",
)

DeviceKind = Literal["wake-up", "refused", "dead"]


def job_key(job_id: str) -> str:
    """Return the key under which RQ stores a message."""
    return f"rq:job:{job_id}"


def read_message(connection: Any, job_id: str) -> tuple[DeviceKind, str]:
    """Return what an id refers to, and why it is refused if it is.

    "dead" is an id without a message: it was deleted or has expired, which also means that there
    may be work.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    key = job_key(job_id)
    try:
        with connection.pipeline(transaction=False) as pipeline:
            for field in ("data", *_AFTERWARDS):
                pipeline.hstrlen(key, field)
            size, *after = pipeline.execute()
        if size == 0:
            return "dead", ""
        if any(after):
            return "refused", "callbacks and webhooks are never run"
        if size > MAX_DATA_BYTES:
            return "refused", f"{size} bytes are no wake-up"
        problem = _problem(connection.hget(key, "data") or b"")
    except redis.ResponseError as exc:  # of another type than RQ's messages
        return "refused", str(exc)[:200]
    return ("refused", problem) if problem else ("wake-up", "")


def dead_ids(connection: Any, job_ids: Sequence[str]) -> list[str]:
    """Return the ids without a message.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    with connection.pipeline(transaction=False) as pipeline:
        for job_id in job_ids:
            pipeline.exists(job_key(job_id))
        there = pipeline.execute()
    return [job_id for job_id, is_there in zip(job_ids, there, strict=True) if not is_there]


def _problem(raw: bytes) -> str:
    """Return why packed data is not a wake-up; empty if it is one."""
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(raw, MAX_DATA_BYTES)
        if unpacker.unconsumed_tail:
            return f"more than {MAX_DATA_BYTES} bytes, unpacked, are no wake-up"
    except zlib.error:
        text = raw
    try:
        name, instance, args, kwargs = json.loads(text)
    except (ValueError, TypeError, RecursionError) as exc:
        return f"no message of ours: {exc!r}"[:200]
    if name != WAKE_UP_TASK or instance is not None or args or kwargs:
        return f"only {WAKE_UP_TASK}() is a wake-up, not {str(name)[:80]!r}"
    return ""
