"""The tokens' side of the API: created, listed and revoked by holders of the scope admin."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict

from tuner.documents.tokens import NewToken, TokenRow
from tuner.protocol import NAME_PATTERN
from tuner.server.bodies import read_json, validate
from tuner.server.problems import PREFIX, PROBLEM_RESPONSES
from tuner.server.routes.auth import ADMIN, NAMES_ACTOR
from tuner.server.routes.body_schemas import body_schema
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


def token_router(desk: TokenDesk, book: TokenBook) -> APIRouter:
    """Return the routes of tokens.

    Args:
        desk: creates and revokes them.
        book: this server's, which is updated immediately.
    """
    router = APIRouter(
        prefix=PREFIX, tags=["tokens"], responses=PROBLEM_RESPONSES, dependencies=NAMES_ACTOR
    )

    @router.get("/tokens", response_model=list[TokenRow], dependencies=ADMIN)
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

    @router.delete("/tokens/{token}", response_model=TokenRow, dependencies=ADMIN)
    async def revoke(token: TokenName) -> Any:
        """End a token; within a second no server takes it any more."""
        ended = await run_in_threadpool(desk.revoke_token, token)
        book.forget()
        return ended

    return router
