"""The form of messages: typed fields, converted to JSON and back."""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal, Self

#: Largest integer in a message: what every database can store.
MAX_INT = 2**31 - 1


class ProtocolError(ValueError):
    """A message does not have the declared form; the text names the field."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """Base class of all wire messages: converts to and from plain JSON values."""

    def to_json(self) -> dict[str, Any]:
        """Return the message as JSON values (tuples become lists); objects are not copied."""
        # `dataclasses.asdict` copies every value of a spec, which takes ten times as long.
        return {spec.name: _plain(getattr(self, spec.name)) for spec in dataclasses.fields(self)}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Build the message from parsed JSON; unknown fields, e.g. from a newer peer, are ignored.

        Raises:
            ProtocolError: it is not an object, or a field is missing or has the wrong JSON type.
        """
        if not isinstance(data, dict):
            raise ProtocolError(f"{cls.__name__}: expected an object, got {type(data).__name__}")
        hints = _hints(cls)  # type: ignore[arg-type]  # mypy: type[Self] would not be hashable
        values: dict[str, Any] = {}
        for spec in dataclasses.fields(cls):
            if spec.name in data:
                values[spec.name] = _convert(
                    f"{cls.__name__}.{spec.name}", hints[spec.name], data[spec.name]
                )
            elif (
                spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING
            ):
                raise ProtocolError(f"{cls.__name__}.{spec.name} is missing")
        return cls(**values)


def dumps(message: Message) -> str:
    """Return the message as strict JSON text (no NaN literals)."""
    return json.dumps(message.to_json(), allow_nan=False, separators=(",", ":"))


@functools.cache
def _hints(kind: type[Message]) -> dict[str, Any]:
    """Return the types of a message's fields, cached because evaluating them is slow."""
    return typing.get_type_hints(kind)


def _plain(value: Any) -> Any:
    """Return `value` as JSON values; messages may occur directly or in lists."""
    if isinstance(value, Message):
        return value.to_json()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _convert(where: str, hint: Any, value: Any) -> Any:
    """Return `value` as the declared type; JSON itself has no tuples, integers or messages."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(where, hint, value)
    if origin is Literal:
        if value not in typing.get_args(hint):
            raise ProtocolError(f"{where}: {value!r} is not one of {typing.get_args(hint)}")
        return value
    if origin is list:
        if not isinstance(value, list):
            raise ProtocolError(f"{where}: expected a list, got {type(value).__name__}")
        (inner,) = typing.get_args(hint)
        return [_convert(f"{where}[{i}]", inner, item) for i, item in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict):
            raise ProtocolError(f"{where}: expected an object, got {type(value).__name__}")
        inner = typing.get_args(hint)[1]
        return {str(k): _convert(f"{where}.{k}", inner, item) for k, item in value.items()}
    return _convert_plain(where, hint, value)


def _convert_union(where: str, hint: Any, value: Any) -> Any:
    choices = typing.get_args(hint)
    if value is None and type(None) in choices:
        return None
    problem = ProtocolError(f"{where}: {value!r} is not allowed")
    for choice in choices:
        if choice is type(None):
            continue
        try:
            return _convert(where, choice, value)
        except ProtocolError as exc:
            problem = exc
    raise problem


def _convert_plain(where: str, hint: Any, value: Any) -> Any:
    if hint is Any:
        return value
    if isinstance(hint, type) and issubclass(hint, Message):
        return hint.from_json(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if hint is float and (whole or isinstance(value, float)) and abs(value) <= sys.float_info.max:
        return float(value)
    if hint is int and whole and abs(value) <= MAX_INT:
        return value
    if hint in (str, bool) and isinstance(value, hint):
        return value
    raise ProtocolError(f"{where}: expected {getattr(hint, '__name__', hint)}, got {value!r}")
