"""Many connections of somebody who has no token, in a process of their own.

`python -m tests.support.hostile.strangers HOST PORT COUNT [KIND…]` says `ready` once each has been
made, and what became of them, as JSON, when its standard input ends. Whoever is cut comes again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

#: Says nothing; never ends a head; never ends a body; asks without end with a wrong token; asks
#: without end for what needs none; takes nothing of what it asked for.
Kind = Literal["idle", "half head", "half body", "flood", "probe", "deaf"]
KINDS: tuple[Kind, ...] = get_args(Kind)

ROOT = Path(__file__).resolve().parents[3]
#: Between being cut and coming again.
AGAIN_S = 0.1
_DRIP_S = 0.5
_WRONG = b"Host: x\r\nAuthorization: Bearer of-another-server\r\n"
_FLOOD = b"GET /v1/studies HTTP/1.1\r\n" + _WRONG + b"\r\n"
_PROBE = b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n"
_HALF_HEAD = b"POST /v1/claim HTTP/1.1\r\n" + _WRONG + b"X-Never: "
_HALF_BODY = (
    b"POST /v1/studies/x/y/stop HTTP/1.1\r\n"
    + _WRONG
    + b"Content-Type: application/json\r\nContent-Length: 20000000\r\n\r\n"
    + b"[" * 65536
)
_DEAF = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"


class Strangers:
    """The other side of the process. Mutable: it ends.

    Attributes:
        seen: once it has ended, how often what happened: `connected`, `cut`, answers by status.
    """

    def __init__(self, url: str, count: int, kinds: Sequence[Kind] = KINDS) -> None:
        parts = urlsplit(url)
        self.seen: Counter[str] = Counter()
        self._process = subprocess.Popen(
            # A real one has a machine of its own, and takes no processor from the server.
            [
                "nice",
                "-n",
                "19",
                sys.executable,
                "-m",
                "tests.support.hostile.strangers",
                str(parts.hostname),
                str(parts.port),
                str(count),
                *kinds,
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_ready(self) -> None:
        """Return once every connection has been made at least once."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def end(self) -> None:
        """Have them all hang up."""
        said, _ = self._process.communicate()
        self.seen = Counter(json.loads(said.splitlines()[-1]))


@contextlib.contextmanager
def strangers(url: str, count: int, kinds: Sequence[Kind] = KINDS) -> Iterator[Strangers]:
    """So many connections, of each kind as many, for as long as the context lasts."""
    crowd = Strangers(url, count, kinds)
    try:
        crowd.wait_ready()
        yield crowd
    finally:
        crowd.end()


async def _one(host: str, port: int, kind: Kind, seen: Counter[str], made: asyncio.Event) -> None:
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, port)
        except OSError:
            seen["refused"] += 1
            await asyncio.sleep(AGAIN_S)
            continue
        seen["connected"] += 1
        made.set()
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await _act(kind, reader, writer, seen)
        seen["cut"] += 1
        writer.transport.abort()
        await asyncio.sleep(AGAIN_S)


async def _act(
    kind: Kind, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Counter[str]
) -> None:
    """Do what the kind does until the connection ends."""
    if kind == "idle":
        await reader.read(1)
    elif kind in ("flood", "probe"):
        while True:
            writer.write(_FLOOD if kind == "flood" else _PROBE)
            head = await reader.readuntil(b"\r\n\r\n")
            seen[head.split(b" ", 2)[1].decode()] += 1
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
    elif kind == "deaf":
        while True:
            writer.write(_DEAF)
            await writer.drain()
    else:
        writer.write(_HALF_HEAD if kind == "half head" else _HALF_BODY)
        while not reader.at_eof() and not writer.transport.is_closing():
            writer.write(b"x")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DRIP_S):
                    await reader.read(4096)


async def _main(host: str, port: int, count: int, kinds: Sequence[Kind]) -> None:
    seen: Counter[str] = Counter()
    made = [asyncio.Event() for _ in range(count)]
    loop = asyncio.get_running_loop()
    tasks = {
        loop.create_task(_one(host, port, kinds[number % len(kinds)], seen, made[number]))
        for number in range(count)
    }
    for one in made:
        await one.wait()
    assert len(tasks) == count, "kept, or they would be collected"
    print("ready", flush=True)  # noqa: T201 - it is read
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps(seen), flush=True)  # noqa: T201 - it is read
    os._exit(0)


if __name__ == "__main__":
    _chosen: list[Kind] = [kind for kind in KINDS if kind in sys.argv[4:]] or list(KINDS)
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), _chosen))
