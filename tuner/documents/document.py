"""What all documents are."""

from __future__ import annotations

from typing import Any

# pydantic takes no other TypedDict before Python 3.12.
from typing_extensions import TypedDict

#: A JSON object that no type describes, such as the record of a proposal or a receipt.
JsonObject = dict[str, Any]


class Document(TypedDict):
    """A JSON document, or a part of one."""


# A field that the service adds and its type forgets would be dropped silently otherwise.
Document.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]
