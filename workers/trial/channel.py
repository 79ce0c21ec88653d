"""JSON lines over a socket pair, between a worker and the process of its trial."""

from __future__ import annotations

import json
import math
import select
import socket
import time
from collections.abc import Sequence
from typing import Any

from tuner.protocol import Found, fitting_found
from workers.objective.session import ReportedPoint, Word

#: Seconds that a report waits for the service's decision; the parent needs a few milliseconds.
DECISION_WAIT_S = 0.1
#: Maximum number of bytes without a line end in a valid message.
MAX_LINE_BYTES = 1 << 22

Message = dict[str, Any]


class ChannelError(Exception):
    """The other side sent something that is not a valid message."""


class Channel:
    """One end of the pair; holds the incomplete line received so far.

    Args:
        connection: a connected stream socket.
        max_line_bytes: limit of what the other side sends at once; None for a trusted one.
    """

    def __init__(
        self, connection: socket.socket, *, max_line_bytes: int | None = MAX_LINE_BYTES
    ) -> None:
        self.socket = connection
        self._max_line_bytes = max_line_bytes
        self.closed = False
        self._buffer = bytearray()

    def fileno(self) -> int:
        """Return the descriptor, for `poll`."""
        return self.socket.fileno()

    def send(self, message: Message) -> None:
        """Send a message, waiting for buffer space.

        Raises:
            OSError: the other side is gone.
        """
        self.socket.sendall(_encode(message))

    def send_now(self, message: Message) -> bool:
        """Send a message if there is space for all of it; return whether it was sent."""
        data = _encode(message)
        try:
            sent = self.socket.send(data, socket.MSG_DONTWAIT)
            if sent < len(data):
                self.socket.sendall(data[sent:])
        except OSError:
            return False
        return True

    def receive(self) -> list[Message]:
        """Return new messages, without waiting; `closed` is set at the end.

        Raises:
            ChannelError: what arrived is not a message.
        """
        while not self.closed:
            try:
                data = self.socket.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self.closed = True
            self._buffer += data
            if self._max_line_bytes is not None and len(self._buffer) > self._max_line_bytes:
                raise ChannelError(f"a message is larger than {self._max_line_bytes} bytes")
            if len(data) < 65536:
                break
        if b"\n" not in self._buffer:
            return []
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        return [_decode(line) for line in lines]

    def wait(self, timeout_s: float) -> None:
        """Wait until something can be received, at most `timeout_s` seconds."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        poll.poll(math.ceil(timeout_s * 1000))

    def close(self) -> None:
        """Close this end."""
        self.socket.close()


class ChannelLink:
    """The trial's connection to the service: its worker forwards what it says."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._word: Word = "continue"
        self._answered = 0

    def report(self, point: ReportedPoint) -> None:
        """Send a point and wait at most `DECISION_WAIT_S` for the answer."""
        self._channel.send(
            {
                "kind": "point",
                "step": point.step,
                "value": point.value,
                "metrics": dict(point.metrics),
                "time": time.time(),
            }
        )
        deadline = time.monotonic() + DECISION_WAIT_S
        while self.word() == "continue" and self._answered < point.step:
            left = deadline - time.monotonic()
            if left <= 0 or self._channel.closed:
                break
            self._channel.wait(left)

    def found(self, found: Sequence[Found]) -> None:
        """Send found parameters; each one fits into a message, all together may not."""
        waiting = list(found)
        while waiting:
            fitting = fitting_found(waiting)
            self._channel.send({"kind": "found", "found": [item.to_json() for item in fitting]})
            del waiting[: max(1, len(fitting))]

    def word(self) -> Word:
        """Return the service's latest order; a stop is never withdrawn."""
        for message in self._channel.receive():
            self._answered = max(self._answered, message.get("step", 0))
            if self._word == "continue":
                self._word = message["word"]
        return self._word


def _encode(message: Message) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def _decode(line: bytes) -> Message:
    try:
        message = json.loads(line)
    except ValueError as exc:
        raise ChannelError(f"not a message: {line[:80]!r}") from exc
    if not isinstance(message, dict):
        raise ChannelError(f"not a message: {line[:80]!r}")
    return message
