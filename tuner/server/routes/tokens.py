"""The tokens' side of the API: made, listed and revoked by those who may do everything."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict

from tuner.protocol import NAME_PATTERN
from tuner.server.bodies import read_json, validate
from tuner.server.documents.schemas import body_schema
from tuner.server.documents.studies import Schema
from tuner.server.problems import PREFIX, PROBLEM_RESPONSES
from tuner.server.routes.auth import ADMIN, NAMES_ACTOR
from tuner.server.token_book import TokenBook
from tuner.service.tokens import TokenDesk

TokenName = Annotated[str, Path(pattern=f"^{NAME_PATTERN}$", max_length=63)]


class _Creation(BaseModel):
    """A token to make; `projects` null: all, `expires_s` null: until it is revoked."""

    model_config = ConfigDict(extra="forbid")
    name: str
    scopes: list[str]
    projects: list[str] | None = None
    expires_s: float | None = None
    image: str | None = None
    lock: str | None = None
    files: str | None = None


class TokenDocument(Schema):
    """A token without its secret."""

    name: str
    state: Literal["active", "expired", "revoked"]
    scopes: list[Literal["read", "submit", "work", "admin"]]
    #: Null: all.
    projects: list[str] | None
    #: What a worker with it runs in, and what is compared there; null: it is not.
    image: str | None
    lock: str | None = None
    files: str | None = None
    created: str
    #: Who made it, as user@host says of itself.
    actor: str | None
    expires: str | None
    revoked: str | None
    #: Some minutes ago at most.
    last_used: str | None


class NewToken(TokenDocument):
    """A token with its secret, which is shown this once."""

    token: str


def token_router(desk: TokenDesk, book: TokenBook) -> APIRouter:
    """Return the routes of tokens.

    Args:
        desk: makes and revokes them.
        book: of this server, which learns of it at once.
    """
    router = APIRouter(
        prefix=PREFIX, tags=["tokens"], responses=PROBLEM_RESPONSES, dependencies=NAMES_ACTOR
    )

    @router.get("/tokens", response_model=list[TokenDocument], dependencies=ADMIN)
    def tokens() -> Any:
        """Return every token without its secret, newest first."""
        return desk.tokens()

    @router.post(
        "/tokens",
        response_model=NewToken,
        openapi_extra=body_schema(_Creation),
        dependencies=ADMIN,
    )
    async def create(request: Request) -> Any:
        """Make a token; nobody can show its secret a second time."""
        body = validate(_Creation, await read_json(request)).model_dump()
        made = await run_in_threadpool(desk.create_token, **body)
        book.forget()
        return made

    @router.delete("/tokens/{token}", response_model=TokenDocument, dependencies=ADMIN)
    async def revoke(token: TokenName) -> Any:
        """End a token; within a second no server takes it any more."""
        ended = await run_in_threadpool(desk.revoke_token, token)
        book.forget()
        return ended

    return router
