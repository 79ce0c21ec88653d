"""Accepts connections one after the other, at a rate that leaves time for the existing ones.

asyncio accepts all that wait at once, a thousand if there are as many: for a third of a second no
request is answered. Connections that wait in the backlog cost the server nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from tuner.server import limits
from tuner.server.http.rates import Rates

logger = logging.getLogger(__name__)

#: Seconds without accepting after an error of the operating system.
_PAUSE_S = 0.2


class Accepting:
    """Accepts connections on one socket. For a single event loop.

    Args:
        listener: bound; this class makes it listen.
        take: makes a connection from an accepted socket.
    """

    def __init__(
        self,
        listener: socket.socket,
        take: Callable[[socket.socket], Coroutine[Any, Any, object]],
    ) -> None:
        self._listener = listener
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._pace = Rates(limits.ACCEPT_RATE)
        # Ordered; the loop itself keeps no reference to a task.
        self._tasks: dict[asyncio.Task[object], None] = {}
        self._again: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Listen."""
        self._listener.listen(limits.BACKLOG)
        self._listener.setblocking(False)
        self._resume()

    def stop(self) -> None:
        """Stop accepting."""
        if self._again is not None:
            self._again.cancel()
        self._loop.remove_reader(self._listener)

    def _resume(self) -> None:
        self._again = None
        self._loop.add_reader(self._listener, self._accept)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._again = self._loop.call_later(seconds, self._resume)

    def _accept(self) -> None:
        # One at a time: the loop comes back here after serving the others.
        try:
            accepted, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError, InterruptedError):
            return
        except OSError as exc:
            logger.warning("no connection can be accepted", extra={"reason": exc.strerror})
            self._pause(_PAUSE_S)
            return
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._made(accepted))
        self._tasks[task] = None
        task.add_done_callback(self._forget)
        if len(self._tasks) > limits.MAX_HANDSHAKES:
            next(iter(self._tasks)).cancel()
        if wait_s := self._pace.take("", self._loop.time()):
            self._pause(wait_s)

    def _forget(self, task: asyncio.Task[object]) -> None:
        self._tasks.pop(task, None)

    async def _made(self, accepted: socket.socket) -> None:
        # The client has gone or speaks no TLS: nothing that anybody here did.
        with contextlib.suppress(OSError):
            await self._take(accepted)
