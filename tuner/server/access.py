"""Checks every request before it is routed: its token, and the size of its body.

A request without a valid token is answered without reading a byte of its body, and the connection
is closed after the answer. This holds for future routes as well: only the paths named here are
open. A client that asks too often is told when to ask again.
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
from tuner.security.identity import calling
from tuner.server import description, limits
from tuner.server.http.rates import Rates
from tuner.server.http.wire import connection_of
from tuner.server.problems import problem
from tuner.server.routes.auth import note_identity
from tuner.server.token_book import TokenBook, TokenRefusedError

#: Paths that monitoring requests; each answer is short.
_PROBES = frozenset({"/healthz", "/readyz", "/v1/health"})
#: Open for GET and HEAD: probes, the service's identity, and the documentation.
OPEN_PATHS = _PROBES | description.PATHS
_CLOSE = (b"connection", b"close")


class AccessMiddleware:
    """ASGI middleware in front of the routes.

    Args:
        app: answers the requests that pass.
        tokens: identifies the holder of a token.
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
            # The server's own tokens have no row in the database.
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
        """Delay a request that needs no token; return the required wait if it is too long.

        Args:
            scope: the request's ASGI scope.
            is_first: whether it is a probe, and the first request on its connection.
        """
        if is_first:
            # The number of these is limited by the rate at which connections are accepted.
            await _wait(self._open, limits.OPEN_WAIT_S, scope)
            return 0.0
        wait_s = await _wait(self._open_again, limits.STRANGER_WAIT_S, scope)
        return wait_s if wait_s > limits.STRANGER_WAIT_S else 0.0

    async def _pass(self, scope: Scope, body: _Body, receive: Receive, send: Send) -> None:
        """Forward the request to the application, unless its body exceeds the global limit."""
        if body.declared > limits.MAX_BODY_BYTES:
            answer = problem(Request(scope), 413, _TOO_LARGE)
            await answer(scope, body.receive, body.send)
        elif body.is_there:
            await self._app(scope, body.receive, body.send)
        else:
            await self._app(scope, receive, send)


_TOO_LARGE = f"the body is larger than {limits.MAX_BODY_BYTES} bytes, the most that any route takes"


class _Body:
    """The body of one request: counted while it is read; if unread, the connection is closed.

    Attributes:
        is_there: whether a body is announced.
        declared: its announced size in bytes; 0 if only its end will show it.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._size = 0
        self.declared = 0
        self.is_there = False
        for name, value in scope["headers"]:
            if name == b"content-length":
                # The parser has already refused what is not a number.
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
            # The rest of the body would have to be read to find the next request.
            message = {**message, "headers": [*message.get("headers", ()), _CLOSE]}
        await self._send(message)


def _is_open(scope: Scope) -> bool:
    return scope["method"] in ("GET", "HEAD") and scope["path"] in OPEN_PATHS


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _token(scope: Scope) -> str:
    """Return the bearer token; empty if there is none, or several that may differ."""
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) != 1:
        return ""
    kind, _, token = given[0].partition(b" ")
    return token.strip().decode("latin-1") if kind.lower() == b"bearer" else ""


async def _wait(rates: Rates, most_s: float, scope: Scope) -> float:
    """Delay a stranger until its turn; return the required wait in seconds."""
    wait_s = rates.take(_address(scope), time.monotonic())
    if wait_s > most_s:
        # With random delays: requests that came together would otherwise return together.
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
