"""Tokens."""

from __future__ import annotations

from typing import Literal

from tuner.documents.document import Document


class TokenRow(Document):
    """A token without its secret."""

    name: str
    state: Literal["active", "expired", "revoked"]
    scopes: list[Literal["read", "submit", "work", "admin"]]
    #: Null: all.
    projects: list[str] | None
    #: What a worker with it runs in, and what is compared there; null: it is not.
    image: str | None
    lock: str | None
    files: str | None
    created: str
    #: Who made it, as user@host says of itself.
    actor: str | None
    expires: str | None
    revoked: str | None
    #: Some minutes ago at most.
    last_used: str | None


class NewToken(TokenRow):
    """A token with its secret, which is shown this once."""

    token: str
