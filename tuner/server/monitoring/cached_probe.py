"""A value that is costly or slow to read, for many readers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Generic, TypeVar

from tuner.errors import UnavailableError

T = TypeVar("T")


class CachedProbe(Generic[T]):
    """Reads a value in a thread of its own on demand, at most once in a while.

    A database that hangs then blocks one thread, not one for every probe.

    Args:
        read: returns the value.
        fresh_s: seconds for which an answer or an error is reused.
        patience_s: maximum seconds that a caller waits.
    """

    def __init__(self, read: Callable[[], T], *, fresh_s: float, patience_s: float) -> None:
        self._read = read
        self._fresh_s = fresh_s
        self._patience_s = patience_s
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="glance")
        self._lock = threading.Lock()
        self._future: Future[T] | None = None
        self._asked = 0.0

    def get(self) -> T:
        """Return the value; raises what `read` raises.

        Raises:
            UnavailableError: it does not arrive in time.
        """
        with self._lock:
            future = self._future
            if future is None or (future.done() and time.monotonic() - self._asked > self._fresh_s):
                self._asked = time.monotonic()
                future = self._future = self._thread.submit(self._read)
        try:
            return future.result(timeout=self._patience_s)
        except FutureTimeoutError as exc:
            raise UnavailableError(f"no answer within {self._patience_s:g} s") from exc

    def close(self) -> None:
        """Stop reading."""
        self._thread.shutdown(wait=False, cancel_futures=True)
