"""All connections of the server: which to drop when there are too many, and which have timed out.

Strangers are dropped before clients with a valid token; among strangers, those of the address with
most connections, and of these the oldest one. So a client with a token gets in whatever others do:
it is a stranger only until its first request.
"""

from __future__ import annotations

import ipaddress
import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, Protocol

from tuner.server import limits

logger = logging.getLogger(__name__)

#: What a connection is in the middle of: a request's head, its body, the answer, or nothing.
Phase = Literal["head", "body", "answer", "idle"]
_Queue = dict["HttpConnection", None]


class HttpConnection(Protocol):
    """What the doorkeeper knows about a connection; times are those of `time.monotonic`."""

    #: The client's address, empty if it has none.
    address: str
    #: Whether its last request had a valid token.
    is_known: bool
    phase: Phase

    def is_over(self, now: float) -> bool:
        """Return whether it has timed out; called every `limits.LOOK_S`."""

    def give_up(self) -> None:
        """End one that has timed out, with an answer if its client waits for one."""

    def cut(self) -> None:
        """End it immediately, whatever it is in the middle of."""


class Doorkeeper:
    """Tracks connections. For a single event loop; no method blocks.

    Args:
        most: maximum number of connections.
        proxies: addresses and networks through which everybody connects, with a token or without;
            their connections are never strangers.
    """

    def __init__(self, most: int, proxies: Sequence[str] = ()) -> None:
        self._most = most
        self._proxies = [ipaddress.ip_network(one) for one in proxies]
        self._count = 0
        # Dicts, because they keep the order and delete in constant time.
        self._strangers: defaultdict[str, _Queue] = defaultdict(dict)
        self._known: defaultdict[str, _Queue] = defaultdict(dict)
        #: Number of connections cut to make room since the last check.
        self._cut = 0

    @property
    def count(self) -> int:
        """The number of connections."""
        return self._count

    def arrived(self, connection: HttpConnection) -> None:
        """Add a stranger; if necessary another one, or itself, is cut for it."""
        if self._is_proxy(connection.address):
            connection.is_known = True
        table = self._known if connection.is_known else self._strangers
        queue = table[connection.address]
        queue[connection] = None
        self._count += 1
        if self._count > self._most:
            self._cut += 1
            self._least_missed(connection).cut()
        elif not connection.is_known and len(queue) > max(1, self._most - limits.PLACES_FOR_OTHERS):
            self._cut += 1
            _first(queue, connection).cut()

    def left(self, connection: HttpConnection) -> None:
        """Remove a connection; idempotent."""
        for table in (self._strangers, self._known):
            queue = table.get(connection.address)
            if queue is not None and connection in queue:
                del queue[connection]
                self._count -= 1
                if not queue:
                    del table[connection.address]

    def settled(self, connection: HttpConnection, *, is_known: bool) -> None:
        """Record whether a connection's newest request had a valid token."""
        if is_known == connection.is_known or self._is_proxy(connection.address):
            return
        self.left(connection)
        connection.is_known = is_known
        table = self._known if is_known else self._strangers
        table[connection.address][connection] = None
        self._count += 1

    def look(self, now: float) -> list[HttpConnection]:
        """Return those that have timed out; called every `limits.LOOK_S`."""
        queues = (*self._strangers.values(), *self._known.values())
        over = [one for queue in queues for one in queue if one.is_over(now)]
        if self._cut:
            logger.warning("too many connections", extra={"cut": self._cut, "left": self._count})
            self._cut = 0
        return over

    def _is_proxy(self, address: str) -> bool:
        if not self._proxies:
            return False
        try:
            client = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(client in network for network in self._proxies)

    def _least_missed(self, newest: HttpConnection) -> HttpConnection:
        crowd = max(self._strangers.values(), key=len, default={})
        stranger = _first(crowd, newest) if crowd else newest
        if stranger is not newest:
            return stranger
        for queue in sorted(self._known.values(), key=len, reverse=True):
            for connection in queue:
                if connection.phase == "idle" and connection is not newest:
                    return connection
        return newest


def _first(queue: _Queue, newest: HttpConnection) -> HttpConnection:
    """Return the oldest, preferring one that waits for its client to one that waits for us."""
    others = (one for one in queue if one is not newest)
    return next((one for one in others if one.phase != "answer"), next(iter(queue)))
