"""A TCP proxy between two processes: the network that the fault suite breaks."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
CHUNK = 1 << 16
#: Closes with a reset, not with an end of file.
_LINGER_NOT = struct.pack("ii", 1, 0)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a link leads to: a path of a Unix socket, or a port of this host."""

    path: str = ""
    port: int = 0

    async def open(self) -> Streams:
        """Connect."""
        if self.path:
            return await asyncio.open_unix_connection(self.path)
        return await asyncio.open_connection("127.0.0.1", self.port)


class Network:
    """An event loop in a thread of its own, in which all links live."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def call(self, function: Callable[[], None]) -> None:
        """Call a function in the loop and return when it has."""

        async def call() -> None:
            function()

        self.run(call())

    def close(self) -> None:
        """End the loop and all links."""

        async def cancel() -> None:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        self.run(cancel())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


class Link:
    """One port of this host that leads to a target.

    Its state is changed from any thread with `cut`, `stall`, `slow_down`, `reset` and `heal`.

    Args:
        network: where it lives.
        name: for messages.
        target: where it leads; it may be down, and may change.
    """

    def __init__(self, network: Network, name: str, target: Target) -> None:
        self.name = name
        self.target = target
        #: How often its state has harmed something: a piece held back, a connection broken.
        self.hits = 0
        #: When something came through last (monotonic).
        self.used_at = 0.0
        self._network = network
        self._connections: set[asyncio.StreamWriter] = set()
        self._cut = False
        self._delay_s = 0.0
        self._open = asyncio.Event()
        self._open.set()
        self.port = network.run(self._listen())

    def cut(self) -> None:
        """Break all connections and refuse new ones, until `heal`."""

        def cut() -> None:
            self._cut = True
            self._abort()

        self._network.call(cut)

    def stall(self) -> None:
        """Let nothing through, as a network does that drops packets, until `heal`."""
        self._network.call(self._open.clear)

    def slow_down(self, delay_s: float) -> None:
        """Hold back every piece for so long, until `heal`."""
        self._delay_s = delay_s

    def reset(self) -> None:
        """Break all connections; new ones are let through."""
        self._network.call(self._abort)

    def heal(self) -> None:
        """Let everything through again, also what was held back."""

        def heal() -> None:
            self._cut, self._delay_s = False, 0.0
            self._open.set()

        self._network.call(heal)

    async def gate(self) -> None:
        """Wait as long as the state of the link wants it.

        Raises:
            ConnectionAbortedError: the link is cut.
        """
        self.used_at = time.monotonic()
        if self._delay_s:
            self.hits += 1
            await asyncio.sleep(self._delay_s)
        if not self._open.is_set():
            self.hits += 1
            await self._open.wait()
        if self._cut:
            raise ConnectionAbortedError(f"{self.name} is cut")

    async def converse(self, near: Streams) -> None:
        """Pass on what the two sides say until one of them ends."""
        await self.gate()
        far = await self.target.open()
        self._connections.add(far[1])
        try:
            ways = [
                asyncio.ensure_future(self._pump(near[0], far[1])),
                asyncio.ensure_future(self._pump(far[0], near[1])),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
        finally:
            self._connections.discard(far[1])
            far[1].close()

    async def _listen(self) -> int:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            self.hits += 1
            break_off(writer)
            return
        self._connections.add(writer)
        # Whoever ends a conversation, also in the middle of a word, is not our fault.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self.converse((reader, writer))
        self._connections.discard(writer)
        writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await self.gate()
                writer.write(data)
                await writer.drain()

    def _abort(self) -> None:
        self.hits += len(self._connections)
        for writer in self._connections:
            break_off(writer)


def break_off(writer: asyncio.StreamWriter) -> None:
    """End a connection with a reset."""
    sock: socket.socket | None = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        if sock is not None and sock.family == socket.AF_INET:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    writer.transport.abort()
