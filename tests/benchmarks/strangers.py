"""What a stranger with a thousand connections takes from those who have a token.

Claims are timed with and without them, in turn, on one server: on a busy machine both are slower.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.benchmarks.figure import Figure, quantile
from tests.benchmarks.http_wire import HttpConnection
from tests.benchmarks.machine import cpu_s, resident_mb
from tests.benchmarks.stack import Stack, fresh_settings, running
from tests.benchmarks.studies import make_spec, submit
from tests.support.hostile.strangers import KINDS, Kind, Strangers

STRANGERS = 1000
WORKERS = 8
#: Of each turn, seconds.
TURN_S = 12.0
TURNS = 2
WARM_UP_S = 3.0
#: A worker runs a trial so long.
TRIAL_S = 0.1
#: As Docker and most distributions give.
FEW_FILES = 1024


@dataclass
class Seen:
    """How long calls took, seconds. Mutable: they are added."""

    claims: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    failed: int = 0
    #: Processor time of the server, and of the clock.
    busy_s: float = 0.0
    passed_s: float = 0.0

    def cores(self) -> float:
        """Return how many cores the server took."""
        return self.busy_s / self.passed_s


def measure() -> list[Figure]:
    """Measure with the files that the machine gives, and with few."""
    return [*_measure("", None), *_measure(f", ulimit -n {FEW_FILES}", FEW_FILES)]


def _measure(name: str, files: int | None) -> list[Figure]:
    with fresh_settings() as settings, running(settings, open_files=files) as stack:
        return _on(stack, name, KINDS)


def _on(stack: Stack, name: str, kinds: Sequence[Kind]) -> list[Figure]:
    submit(stack.api, make_spec("strangers", "quick", trials=100_000))
    alone, beside = Seen(), Seen()
    crowd = asyncio.run(_turns(stack, kinds, alone, beside))
    normal, worse = quantile(alone.claims, 0.99), quantile(beside.claims, 0.99)
    note = f"{WORKERS} workers, {len(alone.claims)} and {len(beside.claims)} claims; "
    return [
        Figure(
            name=f"claims beside strangers{name}",
            value=worse / normal,
            unit="times",
            limit=2.0,
            note=note + f"p99 {1000 * normal:.0f} ms and {1000 * worse:.0f} ms, "
            f"{alone.failed} and {beside.failed} calls failed",
        ),
        Figure(
            name=f"/healthz beside strangers{name}",
            value=max(beside.health),
            unit="s",
            limit=1.0,
            note=f"the slowest of {len(beside.health)}, each on a connection of its own; "
            f"without them {1000 * max(alone.health):.0f} ms",
        ),
        Figure(
            name=f"server's memory{name}",
            value=resident_mb(stack.server_pid),
            unit="MB",
            note=f"{100 * alone.cores():.0f} % of a core without strangers, "
            f"{100 * beside.cores():.0f} % with them, who saw {crowd}",
        ),
    ]


async def _turns(stack: Stack, kinds: Sequence[Kind], alone: Seen, beside: Seen) -> dict[str, int]:
    """Measure in turn; return what the last strangers saw."""
    # Over all turns: workers are there before strangers come.
    wires = [HttpConnection(stack.url, stack.token) for _ in range(WORKERS)]
    await _turn(stack, wires, Seen(), WARM_UP_S)
    for _ in range(TURNS):
        await _turn(stack, wires, alone, TURN_S)
        crowd = await asyncio.to_thread(Strangers, stack.url, STRANGERS, kinds)
        await asyncio.to_thread(crowd.wait_ready)
        await _turn(stack, wires, beside, TURN_S)
        await asyncio.to_thread(crowd.end)
    for wire in wires:
        wire.close()
    return dict(crowd.seen)


async def _turn(stack: Stack, wires: Sequence[HttpConnection], seen: Seen, seconds: float) -> None:
    start = time.monotonic()
    end = start + seconds
    seen.busy_s -= cpu_s(stack.server_pid)
    workers = (_work(wire, number, seen, end) for number, wire in enumerate(wires))
    await asyncio.gather(*workers, _probe(stack, seen, end))
    seen.busy_s += cpu_s(stack.server_pid)
    seen.passed_s += time.monotonic() - start


async def _work(http: HttpConnection, number: int, seen: Seen, end: float) -> None:
    """Claim, wait, finish, again and again."""
    info = {"name": f"beside-{number}", "host": "elsewhere", "pid": 1, "device": "cpu"}
    while time.monotonic() < end:
        token = secrets.token_hex(16)
        claim = {"token": token, "worker": info, "wait_s": 0.0}
        start = time.monotonic()
        status, answer = await _post(http, "/v1/claim", claim, seen)
        seen.claims.append(time.monotonic() - start)
        await asyncio.sleep(TRIAL_S)
        if status == 200:
            path = f"/v1/attempts/{json.loads(answer)['attempt']}/finish"
            body = {"token": token, "outcome": "complete", "values": [0.5], "duration_s": TRIAL_S}
            await _post(http, path, body, seen)


async def _post(
    http: HttpConnection, path: str, body: dict[str, object], seen: Seen
) -> tuple[int, bytes]:
    try:
        status, answer = await http.post(path, json.dumps(body).encode(), timeout_s=20.0)
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        status, answer = 599, b""
    seen.failed += status >= 300
    return status, answer


async def _probe(stack: Stack, seen: Seen, end: float) -> None:
    host, port = stack.url.removeprefix("http://").split(":")
    while time.monotonic() < end:
        start = time.monotonic()
        try:
            async with asyncio.timeout(20.0):
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                seen.failed += not (await reader.read()).startswith(b"HTTP/1.1 200")
                writer.close()
        except (OSError, TimeoutError):
            seen.failed += 1
        seen.health.append(time.monotonic() - start)
        await asyncio.sleep(0.1)
