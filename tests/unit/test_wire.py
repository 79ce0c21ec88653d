"""What a connection may make the server wait for, and for how long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from tuner.server import limits
from tuner.server.http.connections import Doorkeeper
from tuner.server.http.wire import Wire, connection_of

HEAD = b"POST /v1/claim HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
GET = b"GET /v1/claim HTTP/1.1\r\nHost: x\r\n\r\n"
#: Later than any bound but the one that is named.
SOON_S = 0.5


class Line(asyncio.Transport):
    """The other end of a connection that takes nothing by itself."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.7", 4000), "sockname": ("192.0.2.1", 80)})
        self.said = b""
        self.unsent = 0
        self.is_reading = True
        self.is_closed = False
        self.is_aborted = False

    def write(self, data: Any) -> None:
        assert not self.is_closed, "nothing is written on a closed connection"
        self.said += bytes(data)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = self.is_aborted = True

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True


class Call:
    """What the application does with requests: it waits until it is told to go on."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.messages: list[Any] = []
        self.is_known = True

    async def __call__(self, scope: Any, receive: Callable[[], Any], send: Any) -> None:
        connection_of(scope).settle(is_known=self.is_known)
        await self.go_on.wait()
        if scope["method"] == "POST":
            self.messages.append(await receive())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Scene:
    """A connection to the application."""

    def __init__(self) -> None:
        self.call = Call()
        self.line = Line()
        self.doorkeeper = Doorkeeper(10)
        config = uvicorn.Config(self.call, ws="none", proxy_headers=False)
        self.wire = Wire(self.doorkeeper, config=config, server_state=ServerState(), app_state={})
        self.wire.connection_made(self.line)

    async def say(self, data: bytes) -> None:
        self.wire.data_received(data)
        await self.turn()

    async def turn(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    def look_after(self, seconds: float) -> None:
        for one in self.doorkeeper.look(time.monotonic() + seconds):
            one.give_up()


def play(script: Callable[[Scene], Any]) -> None:
    async def run() -> None:
        await script(Scene())

    asyncio.run(run())


def test_a_body_waits_in_the_network_until_the_application_asks_for_it() -> None:
    async def script(scene: Scene) -> None:
        await scene.say(HEAD + b"ab")
        assert not scene.line.is_reading
        scene.look_after(10 * limits.BODY_S)
        assert not scene.line.is_closed, "it is the server that takes its time"
        scene.call.go_on.set()
        await scene.turn()
        assert scene.call.messages[0]["body"] == b"ab"

    play(script)


def test_a_body_that_stops_coming_ends_the_connection() -> None:
    async def script(scene: Scene) -> None:
        scene.call.go_on.set()
        await scene.say(HEAD)
        assert scene.line.is_reading
        scene.look_after(limits.BODY_STALL_S - SOON_S)
        assert not scene.line.is_closed
        scene.look_after(limits.BODY_STALL_S + SOON_S)
        assert scene.line.said.startswith(b"HTTP/1.1 408 ")
        assert scene.line.is_closed
        await scene.turn()
        assert scene.call.messages == [{"type": "http.disconnect"}]

    play(script)


def test_a_head_has_its_time_on_a_new_connection_and_on_a_used_one() -> None:
    async def script(scene: Scene) -> None:
        scene.call.go_on.set()
        await scene.say(GET)
        scene.look_after(limits.IDLE_S - SOON_S)
        assert not scene.line.is_closed, "a worker keeps its connection"
        await scene.say(GET[:10])
        scene.look_after(limits.HEAD_S + SOON_S)
        assert scene.line.is_closed
        assert b"HTTP/1.1 408 " in scene.line.said

    play(script)


@pytest.mark.parametrize(("is_known", "kept_s"), [(True, limits.IDLE_S), (False, limits.UNKNOWN_S)])
def test_an_unused_connection_is_closed_a_strangers_sooner(is_known: bool, kept_s: float) -> None:
    async def script(scene: Scene) -> None:
        scene.call.is_known = is_known
        scene.call.go_on.set()
        await scene.say(GET)
        scene.look_after(kept_s - SOON_S)
        assert not scene.line.is_closed
        scene.look_after(kept_s + SOON_S)
        assert scene.line.is_closed
        assert scene.line.said.count(b"HTTP/1.1 ") == 1, "nothing more is said"

    play(script)


def test_an_answer_that_is_not_taken_is_given_up_and_one_that_moves_is_not() -> None:
    async def script(scene: Scene) -> None:
        scene.call.go_on.set()
        await scene.say(GET)
        for passed in range(10):
            scene.line.unsent = 1000 - passed
            scene.look_after(passed * limits.ANSWER_STALL_S)
        assert not scene.line.is_closed
        scene.look_after(10.1 * limits.ANSWER_STALL_S)
        assert scene.line.is_aborted

    play(script)


def test_a_closed_connection_that_the_client_keeps_is_aborted() -> None:
    async def script(scene: Scene) -> None:
        scene.line.close()
        scene.look_after(0)
        scene.look_after(limits.CLOSE_S + SOON_S)
        assert scene.line.is_aborted

    play(script)


def test_requests_sent_ahead_are_few_and_their_end_is_quiet() -> None:
    async def script(scene: Scene) -> None:
        await scene.say(GET * (limits.MAX_PIPELINED + 10))
        assert scene.line.said.startswith(b"HTTP/1.1 400 ")
        assert scene.line.is_closed
        scene.call.go_on.set()
        await scene.turn()

    play(script)


def test_an_application_that_still_works_is_told_when_its_client_is_cut() -> None:
    async def script(scene: Scene) -> None:
        await scene.say(GET)
        scene.wire.cut()
        scene.call.go_on.set()
        await scene.turn()
        assert scene.line.said == b""
        assert scene.doorkeeper.count == 0

    play(script)


def test_a_long_answer_has_all_the_time() -> None:
    async def script(scene: Scene) -> None:
        await scene.say(GET)
        scene.look_after(100 * limits.IDLE_S)
        assert not scene.line.is_closed

    play(script)
