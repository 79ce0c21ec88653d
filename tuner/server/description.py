"""The API's description: built once, on the first request.

The framework would serialize its 200 kB again for each request, and no token is needed to ask.
"""

from __future__ import annotations

import functools
import json
import re
import threading
from collections.abc import Callable

from fastapi import FastAPI
from fastapi.openapi.docs import (
    get_redoc_html,
    get_swagger_ui_html,
    get_swagger_ui_oauth2_redirect_html,
)
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

DOCUMENT = "/openapi.json"
_DOCS = "/docs"
_REDIRECT = "/docs/oauth2-redirect"
_REDOC = "/redoc"
#: Paths that people or programs read to learn about the API.
PATHS = frozenset({DOCUMENT, _DOCS, _REDIRECT, _REDOC})


class Description:
    """An application's routes as an OpenAPI document.

    Args:
        app: the application; its routes may be added later.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._content: bytes | None = None

    def make(self) -> bytes:
        """Return the document as JSON; concurrent callers wait for the one that builds it."""
        with self._lock:
            if self._content is None:
                text = json.dumps(self._app.openapi(), separators=(",", ":"))
                self._content = text.encode()
            return self._content

    def methods(self, path: str) -> list[str]:
        """Return the methods that a path supports, over all its routes."""
        return next((known for form, known in self._methods if form.fullmatch(path)), [])

    @functools.cached_property
    def _methods(self) -> list[tuple[re.Pattern[str], list[str]]]:
        found = []
        for template, operations in self._app.openapi()["paths"].items():
            steps = (
                "[^/]+" if step.startswith("{") else re.escape(step) for step in template.split("/")
            )
            found.append((re.compile("/".join(steps)), sorted(map(str.upper, operations))))
        return found


def add_description(app: FastAPI) -> Description:
    """Add the routes of the description and of its two viewers; return it."""
    description = Description(app)

    async def document(_request: Request) -> Response:
        # In a thread: building it takes a second, in which other requests must be answered.
        content = await run_in_threadpool(description.make)
        return Response(content, media_type="application/json")

    app.add_route(DOCUMENT, document, include_in_schema=False)
    pages: dict[str, Callable[[], HTMLResponse]] = {
        _DOCS: lambda: get_swagger_ui_html(
            openapi_url=DOCUMENT, title=app.title, oauth2_redirect_url=_REDIRECT
        ),
        _REDIRECT: get_swagger_ui_oauth2_redirect_html,
        _REDOC: lambda: get_redoc_html(openapi_url=DOCUMENT, title=app.title),
    }
    for path, make in pages.items():
        _add_page(app, path, make())
    return description


def _add_page(app: FastAPI, path: str, page: HTMLResponse) -> None:
    async def show(_request: Request) -> Response:
        return page

    app.add_route(path, show, include_in_schema=False)
