"""Who sends a request, and what they may do.

`tuner.server.front` asks `TokenBook.who` before any route is looked for and leaves the answer in
the request; a route says by `needs` what its caller must be allowed.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from fastapi import Depends, Request
from fastapi.params import Depends as Dependency
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

Scope = Literal["read", "submit", "work", "admin"]
SCOPES: frozenset[Scope] = frozenset(get_args(Scope))

_IDENTITY = "tuner.identity"
#: For the description only: by then the token has been looked at.
_bearer = HTTPBearer(auto_error=False)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Whoever holds a token.

    Attributes:
        name: of the token, for logs and limits; never the token itself.
        scopes: what the token allows.
    """

    name: str
    scopes: frozenset[Scope]


class TokenBook:
    """The tokens that are good.

    Args:
        token: the server's own, which allows everything.
    """

    def __init__(self, token: str) -> None:
        self._digest = _digest(token)
        self._owner = Identity(name="server", scopes=SCOPES)

    def who(self, token: str) -> Identity | None:
        """Return who holds a token; None: nobody.

        Every request asks this on the event loop, so it waits for nothing.
        """
        # Of hashes: how long it takes tells nothing about the token.
        return self._owner if hmac.compare_digest(_digest(token), self._digest) else None


class Needs:
    """A dependency of routes: refuses whoever has a token that does not allow this.

    Args:
        read: the scope that GET and HEAD need.
        write: the scope that every other method needs.
    """

    def __init__(self, read: Scope, write: Scope) -> None:
        self._read = read
        self._write = write

    # A coroutine, because FastAPI gives a plain function a thread for every request.
    async def __call__(
        self,
        request: Request,
        _given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)] = None,
    ) -> None:
        """Let the request pass, or answer 403."""
        needed = self.scope(request.method)
        if needed not in identity(request.scope).scopes:
            raise HTTPException(403, f"this needs a token with the scope {needed!r}")

    def scope(self, method: str) -> Scope:
        """Return what a request of this method needs."""
        return self._read if method in ("GET", "HEAD") else self._write


def needs(read: Scope, write: Scope | None = None) -> Dependency:
    """Return the dependency of a router or a route that names the scope it needs."""
    return Dependency(Needs(read, write or read))


def identity(scope: MutableMapping[str, Any]) -> Identity:
    """Return who sent a request that has passed the front."""
    found: Identity = scope[_IDENTITY]
    return found


def note_identity(scope: MutableMapping[str, Any], found: Identity) -> None:
    """Leave in a request who sent it."""
    scope[_IDENTITY] = found


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
