"""The link between workers and a server: reads every call, records it, loses and repeats some."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections import deque
from typing import Any, Literal

from tests.chaos.history import Call, History
from tests.chaos.http_message import Message, read_message
from tests.chaos.links import Link, Network, Streams, Target, break_off

CallKind = Literal["claim", "report", "beat", "finish"]
CALLS: tuple[CallKind, ...] = ("claim", "report", "beat", "finish")
#: lost: the server acts, its answer never arrives. twice: the same request arrives two times.
#: late: a request is taken for lost and repeated, and arrives all the same, after its repetition.
#: held: it stays on its way, with all that its worker says of the attempt, until it is let go.
Harm = Literal["lost", "twice", "late", "held"]

HELD_S = 0.02

_PATH = re.compile(r"/v1/(?:attempts/([^/]+)/)?(\w+)")


class HttpLink(Link):
    """A link that speaks HTTP.

    Args:
        network, name, target: of the link.
        history: takes every call.
        redis_port: what workers are told instead of the server's own Redis.
        late_s: how long a late request is under way.
    """

    def __init__(
        self,
        network: Network,
        name: str,
        target: Target,
        *,
        history: History,
        redis_port: int,
        late_s: float,
    ) -> None:
        self._history = history
        self._redis_port = redis_port
        self._late_s = late_s
        self._harms: dict[CallKind, deque[Harm]] = {kind: deque() for kind in CALLS}
        #: Late requests that are still under way; kept, or the loop would forget them.
        self._under_way: set[asyncio.Task[None]] = set()
        super().__init__(network, name, target)

    def harm(self, kind: CallKind, harm: Harm) -> None:
        """Do `harm` to the next call of this kind."""
        self._network.call(lambda: self._harms[kind].append(harm))

    def spare(self, kind: CallKind, harm: Harm) -> None:
        """Take back what `harm` asked for and what has not happened yet."""

        def spare() -> None:
            self._harms[kind] = deque(one for one in self._harms[kind] if one != harm)

        self._network.call(spare)

    async def converse(self, near: Streams) -> None:
        """Serve one connection of a worker, call by call."""
        far: Streams | None = None
        try:
            while (request := await read_message(near[0])) is not None:
                await self.gate()
                if far is None or far[0].at_eof():
                    far = await self._connect(far)
                answer = await self._exchange(request, far)
                await self.gate()
                if answer is None:
                    break_off(near[1])
                    return
                near[1].write(answer.raw)
                await near[1].drain()
        finally:
            self._close(far)

    async def _exchange(self, request: Message, far: Streams) -> Message | None:
        """Pass a call on as its harm wants it; None: the worker is to get no answer."""
        call = self._call(request)
        queue = self._harms.get(call.kind)  # type: ignore[call-overload]
        call.fault = queue.popleft() if queue else ""
        if call.fault == "late":
            self._send_late(request, call)
            return None
        if call.fault == "held":
            self._history.held.add(call.attempt)
        while (call.attempt or call.body.get("attempt")) in self._history.held:
            await asyncio.sleep(HELD_S)
            call.sent = self._history.now()
        answer = await self._ask(request, call, far)
        if call.fault == "twice":
            again = self._call(request)
            again.fault = "again"
            await self._ask(request, again, far)
        return None if call.fault == "lost" else self._with_redis(call, answer)

    async def _ask(self, request: Message, call: Call, far: Streams) -> Message:
        """Ask the server and record what it says.

        Raises:
            OSError: it does not answer.
        """
        try:
            far[1].write(request.raw)
            await far[1].drain()
            answer = await read_message(far[0])
            if answer is None:
                raise ConnectionResetError(f"{self.name}: the server is gone")
        except (OSError, asyncio.IncompleteReadError):
            self._history.add(call)
            raise
        call.answered = self._history.now()
        call.status = int(answer.first[1])
        call.answer = _checked_part(call, answer)
        call.attempt = call.attempt or call.answer.get("attempt", "")
        self._history.add(call)
        return answer

    def _send_late(self, request: Message, call: Call) -> None:
        async def send() -> None:
            await asyncio.sleep(self._late_s)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                far = await self._connect(None)
                try:
                    call.sent = self._history.now()
                    await self._ask(request, call, far)
                finally:
                    self._close(far)

        task = asyncio.get_running_loop().create_task(send())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def _call(self, request: Message) -> Call:
        found = _PATH.match(request.first[1])
        return Call(
            kind=found[2] if found else "other",
            attempt=(found[1] or "") if found else "",
            link=self.name,
            sent=self._history.now(),
            body=request.json(),
        )

    def _with_redis(self, call: Call, answer: Message) -> Message:
        """Return the answer, which to `config` names the workers' own link to Redis."""
        if call.kind != "config" or call.status != 200:
            return answer
        config = {**answer.json(), "redis_url": f"redis://127.0.0.1:{self._redis_port}/0"}
        return answer.with_body(json.dumps(config).encode())

    async def _connect(self, old: Streams | None) -> Streams:
        self._close(old)
        streams = await self.target.open()
        self._connections.add(streams[1])
        return streams

    def _close(self, streams: Streams | None) -> None:
        if streams is not None:
            self._connections.discard(streams[1])
            streams[1].close()


def _checked_part(call: Call, answer: Message) -> dict[str, Any]:
    """Return what the checker needs of an answer: little, because there are many."""
    content = answer.json()
    if call.kind == "claim":
        return {key: content[key] for key in ("attempt", "params") if key in content}
    if call.status != 200:
        return {"detail": content.get("detail")}
    return {key: content[key] for key in ("order", "is_outcome") if key in content}
