"""Errors of the API as RFC 9457 problem documents."""

from __future__ import annotations

import secrets
from collections.abc import Callable, MutableMapping, Sequence
from http import HTTPStatus
from typing import Any, cast

import sqlalchemy as sa
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from tuner.errors import (
    FencedError,
    ForbiddenError,
    NotFoundError,
    SpecError,
    StudyError,
    TunerError,
    UnavailableError,
)
from tuner.protocol import ProtocolError
from tuner.refusal import REFUSAL_HEADER, ChangedError
from tuner.server.outages import outage_text
from tuner.server.token_book import TokenRefusedError

#: First match wins, so subclasses stand before their bases.
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (FencedError, 409),
    (StudyError, 409),
    (SpecError, 422),
    (ProtocolError, 422),
    (UnavailableError, 503),
    (sa.exc.DBAPIError, 503),
    (TunerError, 400),
)


def problem(
    request: Request,
    status: int,
    detail: str,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """Return a problem document; `detail` is for the user, and never holds a secret."""
    return JSONResponse(
        {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            "request_id": request_id(request.scope),
            **more,
        },
        status_code=status,
        headers=headers,
        media_type="application/problem+json",
    )


def request_id(scope: MutableMapping[str, Any]) -> str:
    """Return the number that identifies a request in the log, the same on every call."""
    known: str = scope.setdefault("tuner.request_id", secrets.token_hex(8))
    return known


def _invalid(request: Request, exc: Exception) -> JSONResponse:
    details = "; ".join(
        f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}"
        for error in cast("RequestValidationError", exc).errors()[:10]
    )
    return problem(request, 422, details)


def _refused(request: Request, exc: Exception) -> JSONResponse:
    """Answer a client whose token was revoked while its request waited."""
    return problem(request, 401, str(exc), {"WWW-Authenticate": "Bearer"})


def install_problems(app: FastAPI, methods: Callable[[str], Sequence[str]]) -> None:
    """Make the app answer its errors with problem documents; `RequestLog` handles its faults.

    Args:
        app: the application.
        methods: returns the methods that a path supports.
    """
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(TokenRefusedError, _refused)

    @app.exception_handler(HTTPException)
    def _http(request: Request, exc: HTTPException) -> JSONResponse:
        headers = dict(exc.headers or {})
        if exc.status_code == 405 and (known := methods(request.url.path)):
            # The framework names only those of the first route of that path.
            headers["Allow"] = ", ".join(known)
        return problem(request, exc.status_code, str(exc.detail), headers)

    def _known(request: Request, exc: Exception) -> JSONResponse:
        status = next(code for kind, code in _STATUS if isinstance(exc, kind))
        if (text := outage_text(exc, request_id(request.scope))) is not None:
            return problem(request, status, text)
        if isinstance(exc, ChangedError) and REFUSAL_HEADER in request.headers:
            return problem(request, status, str(exc), refusal=exc.refusal.to_json())
        return problem(request, status, str(exc))

    for kind, _ in _STATUS:
        app.add_exception_handler(kind, _known)


#: The prefix of the API. It is set on the routers themselves, whose routes then know their full
#: paths, which metrics and logs use as names.
PREFIX = "/v1"

PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {
            "application/problem+json": {
                "schema": {
                    "type": "object",
                    "required": ["type", "title", "status", "detail"],
                    "properties": {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                        "request_id": {"type": "string"},
                        "refusal": {"type": "object"},
                    },
                }
            }
        },
    }
    for status in (400, 401, 403, 404, 408, 409, 413, 422, 429, 503)
}
