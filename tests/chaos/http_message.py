"""Requests and answers of HTTP as they are on the wire, as far as a proxy must know them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from dataclasses import dataclass
from typing import Any

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Message:
    """A request or an answer, as it is on the wire."""

    head: bytes
    body: bytes

    @property
    def raw(self) -> bytes:
        return self.head + self.body

    @property
    def first(self) -> list[str]:
        """The words of the first line."""
        return self.head.split(b"\r\n", 1)[0].decode().split()

    def json(self) -> dict[str, Any]:
        """Return the object that it carries; an empty one when there is none."""
        with contextlib.suppress(ValueError):
            found = json.loads(self.body)
            if isinstance(found, dict):
                return found
        return {}

    def with_body(self, body: bytes) -> Message:
        """Return the same message with another body."""
        length = b"content-length: " + str(len(body)).encode()
        return Message(head=_LENGTH.sub(length, self.head), body=body)


async def read_message(reader: asyncio.StreamReader) -> Message | None:
    """Return the next message; None when the other side has ended before it.

    Raises:
        asyncio.IncompleteReadError: it ended in the middle.
    """
    try:
        head = await reader.readuntil(_HEAD_END)
    except asyncio.IncompleteReadError as exc:
        if exc.partial:
            raise
        return None
    length = _LENGTH.search(head)
    body = await reader.readexactly(int(length[1])) if length else b""
    return Message(head=head, body=body)
