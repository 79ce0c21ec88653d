"""The base of all documents."""

from __future__ import annotations

from typing import Any

# pydantic accepts no other TypedDict before Python 3.12.
from typing_extensions import TypedDict

#: A JSON object without a more specific type, such as the record of a proposal or a receipt.
JsonObject = dict[str, Any]


class Document(TypedDict):
    """A JSON document, or a part of one."""


# Otherwise a field that the service adds but its type lacks would be dropped silently.
Document.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]
