"""What all documents are."""

from __future__ import annotations

# pydantic takes no other TypedDict before Python 3.12.
from typing_extensions import TypedDict


class Document(TypedDict):
    """A JSON document, or a part of one."""


# A field that the service adds and its type forgets would be dropped silently otherwise.
Document.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]
