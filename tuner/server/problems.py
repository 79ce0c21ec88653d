"""Errors of the API as RFC 9457 problem documents."""

from __future__ import annotations

import logging
import secrets
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any

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
from tuner.server.token_book import TokenRefusedError

logger = logging.getLogger(__name__)

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
    """Return the number under which a request stands in the log, the same whenever asked."""
    known: str = scope.setdefault("tuner.request_id", secrets.token_hex(8))
    return known


def install_problems(app: FastAPI) -> None:
    """Have the app answer its errors with problem documents; `RequestLog` sees to its faults."""

    @app.exception_handler(RequestValidationError)
    def _invalid(request: Request, exc: RequestValidationError) -> JSONResponse:
        details = "; ".join(
            f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}"
            for error in exc.errors()[:10]
        )
        return problem(request, 422, details)

    @app.exception_handler(TokenRefusedError)
    def _unknown(request: Request, exc: TokenRefusedError) -> JSONResponse:
        return problem(request, 401, str(exc), {"WWW-Authenticate": "Bearer"})

    @app.exception_handler(HTTPException)
    def _http(request: Request, exc: HTTPException) -> JSONResponse:
        return problem(request, exc.status_code, str(exc.detail), dict(exc.headers or {}))

    def _known(request: Request, exc: Exception) -> JSONResponse:
        status = next(code for kind, code in _STATUS if isinstance(exc, kind))
        if isinstance(exc, sa.exc.DBAPIError):
            logger.warning("database error", extra={"error": type(exc.orig).__name__})
            return problem(request, status, "the database is not available; try again")
        if isinstance(exc, ChangedError) and REFUSAL_HEADER in request.headers:
            return problem(request, status, str(exc), refusal=exc.refusal.to_json())
        return problem(request, status, str(exc))

    for kind, _ in _STATUS:
        app.add_exception_handler(kind, _known)


#: Of the API. Given to the routers themselves, whose routes then know their whole path: metrics and
#: logs name them by it.
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
    for status in (400, 401, 403, 404, 409, 413, 422, 503)
}
