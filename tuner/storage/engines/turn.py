"""Queues this process's writers on SQLite, and measures how long the first one waits.

SQLite allows one writer at a time and has no queue for the others; this is the queue. The first in
the queue waits for writers of other processes, if any, and the rest wait behind it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import sqlalchemy as sa

from tuner.errors import UnavailableError

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds after which a wait is logged.
LONG_S = 2.0


class Turn:
    """Whose turn it is to write. Thread-safe, and reentrant within a thread.

    Args:
        patience_s: maximum seconds that a writer waits.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._lock = threading.RLock()
        self._first_since: float | None = None
        self._held_since: float | None = None
        self._waiting = 0

    @property
    def locked_s(self) -> float:
        """Seconds that the first writer has waited so far for another process."""
        since = self._first_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def held_s(self) -> float:
        """Seconds that a writer has had the turn so far; 0 if nobody has it."""
        since = self._held_since
        return 0.0 if since is None else time.monotonic() - since

    @contextlib.contextmanager
    def taken(self, step: str) -> Iterator[None]:
        """Wait for the turn, and hold it during the block.

        Args:
            step: what will be written, for the log.

        Raises:
            UnavailableError: the wait took too long.
        """
        self._waiting += 1
        try:
            is_mine = self._lock.acquire(timeout=self._patience_s)
        finally:
            self._waiting -= 1
        if not is_mine:
            raise self._too_long(step)
        before, self._held_since = self._held_since, self._held_since or time.monotonic()
        try:
            yield
        finally:
            self._held_since = before
            self._lock.release()

    def first(self, begin: Callable[[], T]) -> T:
        """Begin the transaction of the writer whose turn it is."""
        since = self._first_since = time.monotonic()
        try:
            return begin()
        except sa.exc.OperationalError:
            logger.warning("database is locked", extra=self._facts(since))
            raise
        finally:
            self._first_since = None
            if time.monotonic() - since > LONG_S:
                logger.warning("database was locked", extra=self._facts(since))

    def _facts(self, since: float) -> dict[str, float]:
        return {"waited_s": round(time.monotonic() - since, 1), "writes_behind": self._waiting}

    def _too_long(self, step: str) -> UnavailableError:
        facts = {"step": step or "write", "waited_s": self._patience_s}
        logger.warning("write gave up waiting", extra={**facts, "others": self._waiting})
        why = "another process holds it" if self.locked_s else "others are writing"
        return UnavailableError(
            f"the database is not available: it is locked, {why} for more than "
            f"{self._patience_s:g} s; try again"
        )
