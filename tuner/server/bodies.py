"""Reads request bodies: bounded, strict JSON, one declared form."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from tuner.protocol import Message, ProtocolError
from tuner.server.limits import MAX_JSON_BYTES

#: PostgreSQL refuses NUL, and neither database accepts half of a surrogate pair.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

#: Maximum number of a body's mistakes that are listed; the rest are counted.
_MAX_SHOWN = 20

M = TypeVar("M", bound=Message)
B = TypeVar("B", bound=BaseModel)


async def read_body(request: Request, limit: int) -> bytes:
    """Return the body.

    Args:
        request: the request.
        limit: maximum size in bytes.

    Raises:
        HTTPException: 413, it is larger than `limit`.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise HTTPException(413, f"the body is larger than {limit} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


async def read_json(request: Request, limit: int = MAX_JSON_BYTES) -> Any:
    """Return the body as JSON values; NaN and Infinity are not JSON.

    Characters that no database can store (in the name of a file, in what a user's code raised) are
    replaced, because a worker repeats its finish until it is accepted.

    Raises:
        HTTPException: 413 or 422.
    """
    body = await read_body(request, limit)
    try:
        return _storable(json.loads(body or b"{}", parse_constant=_refuse))
    except (ValueError, RecursionError) as exc:
        raise HTTPException(422, f"the body is not JSON: {str(exc)[:200]}") from None


async def read_message(request: Request, kind: type[M]) -> M:
    """Return the body as a wire message.

    Raises:
        HTTPException: 413 or 422; the text names the field.
    """
    try:
        return kind.from_json(await read_json(request))
    except (ProtocolError, RecursionError) as exc:
        raise HTTPException(422, str(exc)[:500]) from None


def validate(kind: type[B], data: Any) -> B:
    """Return parsed JSON as a model.

    Raises:
        HTTPException: 422; the text names the fields.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_context=False, include_input=False)
        shown = [
            f"{'.'.join(map(str, error['loc']))[:200] or 'body'}: {error['msg']}"
            for error in errors[:_MAX_SHOWN]
        ]
        more = [f"… and {len(errors) - _MAX_SHOWN} more"] if len(errors) > _MAX_SHOWN else []
        raise HTTPException(422, "; ".join([*shown, *more])[:500]) from None


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")
