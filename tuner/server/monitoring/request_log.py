"""Counts every request, logs those that failed, and answers when the application could not.

A line holds method, route and status, never a header, a query or a body, which would put tokens and
users' code in the log.
"""

from __future__ import annotations

import logging
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tuner.instruments import Instruments
from tuner.server.problems import problem, request_id

logger = logging.getLogger(__name__)

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
#: A path without a route: anybody can request any number of these.
UNKNOWN_ROUTE = "unknown"
#: The client disconnected before an answer (the code that web servers log).
GONE = 499


class RequestLog:
    """ASGI middleware; must be the outermost one."""

    def __init__(self, app: ASGIApp, *, instruments: Instruments) -> None:
        self._app = app
        self._instruments = instruments

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            await self._handle(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        except ClientDisconnect:
            status = status or GONE
        except Exception:
            logger.exception("request failed", extra=_facts(scope, status or 500))
            if status:
                raise  # too late for another answer: the connection has to break
            detail = f"the server has a fault; its log tells more of {request_id(scope)}"
            await problem(Request(scope), 500, detail)(scope, receive, note_status)
        else:
            if status >= 500:
                logger.warning("request not served", extra=_facts(scope, status))
        finally:
            self._instruments.answered(_method(scope), _route(scope), status or GONE)


def _facts(scope: Scope, status: int) -> dict[str, Any]:
    return {
        "method": _method(scope),
        "route": _route(scope),
        "status": status,
        "request_id": request_id(scope),
    }


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _route(scope: Scope) -> str:
    """Return the template of the path, such as `/v1/studies/{project}/{study}`."""
    route = scope.get("route")
    return UNKNOWN_ROUTE if route is None else str(route.path)
