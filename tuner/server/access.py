"""What every request meets before a route is looked for: its token, and the bounds of its body.

Whoever has no good token is answered without one byte of the body being asked for, and the
connection ends with the answer. That holds for routes to come as well: only the paths that are
named here are open. Whoever asks too often is told when to ask again.
"""

from __future__ import annotations

import asyncio
import math
import random
import time

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tuner.errors import UnavailableError
from tuner.identity import calling
from tuner.server import description, limits
from tuner.server.http.rates import Rates
from tuner.server.http.wire import connection_of
from tuner.server.problems import problem
from tuner.server.routes.auth import note_identity
from tuner.server.token_book import TokenBook, TokenRefusedError

#: Whoever watches over the server asks for these, of which each answer is short.
_PROBES = frozenset({"/healthz", "/readyz", "/v1/health"})
#: Of GET and HEAD: probes, who answers here, and the documentation.
OPEN_PATHS = _PROBES | description.PATHS
_CLOSE = (b"connection", b"close")


class AccessMiddleware:
    """ASGI middleware in front of the routes.

    Args:
        app: answers what passes.
        tokens: says whose a token is.
    """

    def __init__(self, app: ASGIApp, *, tokens: TokenBook) -> None:
        self._app = app
        self._tokens = tokens
        self._by_token = Rates(limits.TOKEN_RATE)
        self._strangers = Rates(limits.STRANGER_RATE, limits.STRANGER_WAIT_S)
        self._open = Rates(limits.OPEN_RATE, limits.OPEN_WAIT_S)
        self._open_again = Rates(limits.OPEN_AGAIN_RATE, limits.STRANGER_WAIT_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive, send)
        connection = connection_of(scope)
        if _is_open(scope):
            is_first = connection.ask_openly() and scope["path"] in _PROBES
            if wait_s := await self._wait_open(scope, is_first=is_first):
                await _too_often(scope, wait_s)(scope, body.receive, body.send)
            else:
                await self._pass(scope, body, receive, send)
            return
        try:
            identity = await self._tokens.who(_token(scope))
        except TokenRefusedError as exc:
            connection.settle(is_known=False)
            wait_s = await _wait(self._strangers, limits.STRANGER_WAIT_S, scope)
            answer = _too_often(scope, wait_s) if wait_s else _unknown(scope, str(exc))
        except UnavailableError as exc:
            answer = problem(Request(scope), 503, str(exc))
        else:
            connection.settle(is_known=True)
            # The server's own tokens are no row of the database.
            who = identity.name if identity.token_id is None else str(identity.token_id)
            wait_s = self._by_token.take(who, time.monotonic())
            if not wait_s:
                note_identity(scope, identity)
                with calling(identity):
                    await self._pass(scope, body, receive, send)
                return
            answer = _too_often(scope, wait_s)
        await answer(scope, body.receive, body.send)

    async def _wait_open(self, scope: Scope, *, is_first: bool) -> float:
        """Have a request that needs no token wait; return how long, where that is too long.

        Args:
            scope: of the request.
            is_first: whether it is a probe, and the first on its connection.
        """
        if is_first:
            # How many can come is bound by how many connections are let in.
            await _wait(self._open, limits.OPEN_WAIT_S, scope)
            return 0.0
        wait_s = await _wait(self._open_again, limits.STRANGER_WAIT_S, scope)
        return wait_s if wait_s > limits.STRANGER_WAIT_S else 0.0

    async def _pass(self, scope: Scope, body: _Body, receive: Receive, send: Send) -> None:
        """Have the request answered, unless its body is larger than any may be."""
        if body.declared > limits.MAX_BODY_BYTES:
            answer = problem(Request(scope), 413, _TOO_LARGE)
            await answer(scope, body.receive, body.send)
        elif body.is_there:
            await self._app(scope, body.receive, body.send)
        else:
            await self._app(scope, receive, send)


_TOO_LARGE = f"the body is larger than {limits.MAX_BODY_BYTES} bytes, the most that any route takes"


class _Body:
    """The body of one request: counted while it is read; unread, it ends the connection.

    Attributes:
        is_there: whether one is announced.
        declared: its bytes as announced; 0 where only its end will tell.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._size = 0
        self.declared = 0
        self.is_there = False
        for name, value in scope["headers"]:
            if name == b"content-length":
                # The parser has refused what is not a number.
                self.declared = int(value) if value.isdigit() else 0
                self.is_there = self.is_there or self.declared > 0
            elif name == b"transfer-encoding":
                self.is_there = True
        self._is_read = not self.is_there

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            self._is_read = self._is_read or not message.get("more_body", False)
            if self._size > limits.MAX_BODY_BYTES:
                raise HTTPException(413, _TOO_LARGE)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self._is_read:
            # What follows of the body would have to be read to find the next request.
            message = {**message, "headers": [*message.get("headers", ()), _CLOSE]}
        await self._send(message)


def _is_open(scope: Scope) -> bool:
    return scope["method"] in ("GET", "HEAD") and scope["path"] in OPEN_PATHS


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _token(scope: Scope) -> str:
    """Return the bearer token; empty where there is none, or where two may not mean the same."""
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) != 1:
        return ""
    kind, _, token = given[0].partition(b" ")
    return token.strip().decode("latin-1") if kind.lower() == b"bearer" else ""


async def _wait(rates: Rates, most_s: float, scope: Scope) -> float:
    """Have a stranger wait for its turn; return how long that is, in whole."""
    wait_s = rates.take(_address(scope), time.monotonic())
    if wait_s > most_s:
        # Each at a moment of its own: those that came at once would be a crowd again.
        await asyncio.sleep(most_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret  # nosec B311  # no secret
    else:
        await asyncio.sleep(wait_s)
    return wait_s


def _too_often(scope: Scope, wait_s: float) -> JSONResponse:
    seconds = math.ceil(wait_s)
    text = f"too many requests; ask again in {seconds} s"
    return problem(Request(scope), 429, text, {"Retry-After": str(seconds)})


def _unknown(scope: Scope, text: str) -> JSONResponse:
    return problem(Request(scope), 401, text, {"WWW-Authenticate": "Bearer"})
