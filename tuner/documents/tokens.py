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
    #: The image that its workers run in, and what is compared there; null: nothing is.
    image: str | None
    lock: str | None
    files: str | None
    created: str
    #: Who created it, as user@host reported by the client.
    actor: str | None
    expires: str | None
    revoked: str | None
    #: Accurate to a few minutes.
    last_used: str | None


class NewToken(TokenRow):
    """A token with its secret, which is shown this once."""

    token: str
