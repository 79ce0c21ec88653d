"""One connection on which uvicorn speaks HTTP, with limits on the resources that a client can hold.

uvicorn does not limit the size of a head, the time for a head or a body, pipelined requests, or
answers that are not accepted. A body is not read before a route asks for it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any, cast

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from tuner.server import limits
from tuner.server.http.connections import Doorkeeper, Phase

_KEY = "tuner.connection"
# Invalid HTTP is answered with 400. Logging each one would let anybody fill the log.
_logger = logging.getLogger("uvicorn.error.connection")
_logger.setLevel(logging.ERROR)


class Wire(HttpToolsProtocol):
    """An HTTP/1.1 connection.

    Args:
        doorkeeper: the server's.
        arguments: uvicorn's.
    """

    def __init__(self, doorkeeper: Doorkeeper, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.logger = _logger
        self.address = ""
        self.is_known = False
        self._has_asked_openly = False
        now = time.monotonic()
        self.phase: Phase = "head"
        self._doorkeeper = doorkeeper
        self._phase_since = now
        #: When the client last made progress that the server waits for.
        self._moved = now
        self._looked = now
        #: Bytes since the end of the last complete head.
        self._head_bytes = 0
        self._unsent_bytes = 0
        self._closing_since: float | None = None
        #: What the application is working on; `cycle` is the newest one.
        self._running: RequestResponseCycle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._doorkeeper.arrived(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._doorkeeper.left(self)
        self._hang_up()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        self._moved = time.monotonic()
        if self.phase == "idle":
            self._enter("head")
        self._head_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self.phase == "body":
            self._head_bytes = 0
            # Until the route asks for it: uvicorn's `receive` resumes reading.
            self.flow.pause_reading()
        elif self._head_bytes > limits.MAX_HEAD_BYTES:
            self._end(431, f"the head is larger than {limits.MAX_HEAD_BYTES} bytes")

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("MutableMapping[str, Any]", self.scope)[_KEY] = self

    @override
    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if len(self.pipeline) > limits.MAX_PIPELINED:
            raise ValueError("too many requests are sent ahead")  # the parser gives up, 400
        self._head_bytes = 0
        self._enter("body")

    @override
    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._head_bytes = 0
        self._enter("answer")

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        # A pipelined request is answered next.
        if self.phase == "answer" and self.cycle.response_complete:
            self._enter("idle")

    @override
    def send_400_response(self, msg: str) -> None:
        self._hang_up()
        super().send_400_response(msg)

    @override
    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def is_over(self, now: float) -> bool:
        """Return whether the connection's time is up; to be called every second."""
        if self.transport.is_closing():
            self._closing_since = self._closing_since or now
            return now > self._closing_since + limits.CLOSE_S
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent_bytes:
            self._moved = now
        if self.flow.read_paused:
            # It is the server that is slow.
            self._moved = now
            self._phase_since += now - self._looked
        self._looked = now
        self._unsent_bytes = unsent
        return now > self._until()

    def _until(self) -> float:
        """Return when the current phase times out."""
        if self._unsent_bytes:
            return self._moved + (limits.ANSWER_STALL_S if self.is_known else limits.UNKNOWN_S)
        match self.phase:
            case "head":
                return self._phase_since + limits.HEAD_S
            case "body":
                return min(self._moved + limits.BODY_STALL_S, self._phase_since + limits.BODY_S)
            case "answer":
                return math.inf
            case "idle":
                return self._phase_since + (limits.IDLE_S if self.is_known else limits.UNKNOWN_S)

    def give_up(self) -> None:
        """Close the connection; a request that has begun is still answered."""
        if self._unsent_bytes or self.transport.is_closing():
            self.cut()
        elif self.phase == "idle" or (not self._head_bytes and self.phase == "head"):
            self.transport.close()
        else:
            self._end(408, f"the {self.phase} of the request did not come in time")

    def cut(self) -> None:
        """Close the connection immediately."""
        self._doorkeeper.left(self)
        self._hang_up()
        self.transport.abort()

    def settle(self, *, is_known: bool) -> None:
        """Record whether its newest request had a valid token."""
        if not is_known:
            # Body bytes that came with the head are of no use, and an answer may wait.
            self.cycle.body.clear()
        self._doorkeeper.settled(self, is_known=is_known)

    def ask_openly(self) -> bool:
        """Record a request without a token; return whether it is the first on the connection."""
        is_first = not self._has_asked_openly
        self._has_asked_openly = True
        return is_first

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._phase_since = time.monotonic()

    def _end(self, status: int, detail: str) -> None:
        """Answer in place of the application, unless it has begun to, and close."""
        running = self._running
        if running is None or running.response_complete or not running.response_started:
            self.transport.write(_answer(status, detail))
        self._hang_up()
        self.transport.close()

    def _hang_up(self) -> None:
        """Tell the application that nobody waits for its answer, however far it is."""
        running = self._running
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()


class _NoWire:
    """Stands in for the connection of a request that did not come over one of ours."""

    def settle(self, *, is_known: bool) -> None:
        """Do nothing."""

    def ask_openly(self) -> bool:
        """Treat each request as the first on its connection."""
        return True


def connection_of(scope: MutableMapping[str, Any]) -> Wire | _NoWire:
    """Return the connection of a request."""
    found: Wire | None = scope.get(_KEY)
    return found or _NoWire()


def _answer(status: int, detail: str) -> bytes:
    title = HTTPStatus(status).phrase
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    body = json.dumps(document).encode()
    head = (
        f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
