"""Requests, checked parameter by parameter, and answers that no browser misinterprets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tensorboard.backend import http_util
from werkzeug import wrappers

from tuner.visible import finite

Handler = Callable[["Query"], wrappers.Response]

#: Maximum length of a parameter's text.
MOST_TEXT = 20_000


class ProblemError(Exception):
    """A request that cannot be answered; becomes an answer that says why.

    Args:
        error: what is wrong, a sentence.
        parameter, value: from the request.
        allowed: what may be requested instead.
        status: 400, or 404 for what does not exist.
    """

    def __init__(
        self,
        error: str,
        *,
        parameter: str | None = None,
        value: str | None = None,
        allowed: Sequence[str] | str | None = None,
        status: int = 400,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.document = {
            "error": error,
            "parameter": parameter,
            "value": None if value is None else value[:200],
            "allowed": allowed,
        }


class Query:
    """The parameters of one request."""

    def __init__(self, request: wrappers.Request) -> None:
        self.request = request
        self._args: Mapping[str, str] = request.args

    def text(self, name: str, default: str = "", most: int = MOST_TEXT) -> str:
        """Return a text.

        Raises:
            ProblemError: it is longer than `most`.
        """
        value = self._args.get(name, default)
        if len(value) > most:
            raise ProblemError(
                f"{name}: is too long", parameter=name, value=value, allowed=f"{most} characters"
            )
        return value

    def one_of(self, name: str, allowed: Sequence[str], default: str) -> str:
        """Return one of some words; an empty one means the default.

        Raises:
            ProblemError: it is another one.
        """
        value = self._args.get(name, "") or default
        if value not in allowed:
            raise ProblemError(
                f"{name}: {value[:60]!r} is unknown",
                parameter=name,
                value=value,
                allowed=list(allowed),
            )
        return value

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """Return a whole number.

        Raises:
            ProblemError: it is not one, or out of bounds.
        """
        value = self._args.get(name, "")
        if not value:
            return default
        found = int(value) if len(value) < 12 and value.isascii() and value.isdecimal() else -1
        if not least <= found <= most:
            raise ProblemError(
                f"{name}: must be a whole number", parameter=name, value=value,
                allowed=f"{least} to {most}",
            )  # fmt: skip
        return found

    def words(self, name: str, most: int) -> list[str]:
        """Return the distinct items of a comma-separated list.

        Raises:
            ProblemError: it has more than `most`.
        """
        found = list(dict.fromkeys(filter(None, self.text(name).split(","))))
        if len(found) > most:
            raise ProblemError(
                f"{name}: names too many", parameter=name, value=str(len(found)),
                allowed=f"{most} at most",
            )  # fmt: skip
        return found


def answer(request: wrappers.Request, document: Any, status: int = 200) -> wrappers.Response:
    """Return a JSON answer; see `dump`."""
    return _respond(request, dump(document), "application/json", status)


def dump(document: Any, *, indent: int | None = None) -> str:
    """Return strict JSON in ASCII; numbers that are not finite become null."""
    separators = (",", ":") if indent is None else (",", ": ")
    try:
        return json.dumps(document, allow_nan=False, separators=separators, indent=indent)
    except ValueError:
        return json.dumps(finite(document), separators=separators, indent=indent)


def plain(
    request: wrappers.Request, content: bytes | str, kind: str = "text/plain", name: str = ""
) -> wrappers.Response:
    """Return a text; with a `name`, as a file to save."""
    # A log may contain half of a surrogate pair, which no encoding has.
    content = content.encode("utf-8", "replace") if isinstance(content, str) else content
    return _respond(request, content, kind, 200, name)


def handle(handler: Handler) -> Any:
    """Return a WSGI application that answers GET with a handler, and problems as JSON."""

    @wrappers.Request.application
    def application(request: wrappers.Request) -> wrappers.Response:
        if request.method not in ("GET", "HEAD"):
            return answer(request, {"error": "only GET is answered"}, 405)
        try:
            return handler(Query(request))
        except ProblemError as exc:
            return answer(request, exc.document, exc.status)

    return application


def _respond(
    request: wrappers.Request, content: bytes | str, kind: str, status: int, name: str = ""
) -> wrappers.Response:
    headers = [("Content-Disposition", f'attachment; filename="{name}"')] if name else []
    response: wrappers.Response = http_util.Respond(
        request, content, kind, code=status, headers=headers
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response
