"""HTTP/1.1 over one kept connection, at a fraction of a client library's cost.

A simulated fleet makes a hundred calls a second in one process: with httpx it would take more of
the processor than the server that is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from urllib.parse import urlsplit

#: The workers' client drops a connection that was not used for so long, and so does the server.
KEEP_S = 60.0
CONNECT_TIMEOUT_S = 2.0
_HEAD_BYTES = 65_536
#: An answer is at most the snapshot of a study's code, and nobody here asks for that.
_LIMIT_BYTES = 1_000_000


class HttpConnection:
    """Sends one request after the other. Mutable: the connection comes and goes.

    Args:
        url: of the server; what it says is HTTP/1.1 with a Content-Length.
        token: the bearer token.
    """

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._head = (
            f"Host: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\nAccept: */*\r\nConnection: keep-alive\r\n"
        )
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._used = 0.0

    async def post(self, path: str, body: bytes, *, timeout_s: float) -> tuple[int, bytes]:
        """Send a request; return status and body of the answer.

        Raises:
            OSError: no connection, or it broke.
            TimeoutError: no answer in time.
            asyncio.IncompleteReadError: the server hung up.
        """
        try:
            reader, writer = await self._connected()
            writer.write(
                f"POST {path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            async with asyncio.timeout(timeout_s):
                answer = await _read_answer(reader)
        except BaseException:
            self.close()
            raise
        self._used = time.monotonic()
        return answer

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            with contextlib.suppress(OSError, RuntimeError):
                self._writer.close()
        self._reader = self._writer = None

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        is_stale = time.monotonic() > self._used + KEEP_S
        if self._reader is not None and (is_stale or self._reader.at_eof()):
            self.close()
        if self._reader is None or self._writer is None:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                self._reader, self._writer = await asyncio.open_connection(
                    self._host, self._port, limit=_HEAD_BYTES
                )
        return self._reader, self._writer


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ", 2)[1])
    length = 0
    for line in head[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            length = int(value)
    if length > _LIMIT_BYTES:
        raise OSError(f"an answer of {length} bytes")
    return status, await reader.readexactly(length) if length else b""
