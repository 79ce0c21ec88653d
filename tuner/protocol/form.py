"""The form of messages: typed fields, converted to JSON and back."""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

#: Largest integer in a message: what every database can store.
MAX_INT = 2**31 - 1

#: Makes the declared type of a JSON value; gets the value and where it stands, for errors.
_Convert = Callable[[Any, str], Any]


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
        values: dict[str, Any] = {}
        for name, convert, where, is_required in _fields(cls):  # type: ignore[arg-type]
            if name in data:
                values[name] = convert(data[name], where)
            elif is_required:
                raise ProtocolError(f"{where} is missing")
        return cls(**values)


def dumps(message: Message) -> str:
    """Return the message as strict JSON text (no NaN literals)."""
    return json.dumps(message.to_json(), allow_nan=False, separators=(",", ":"))


@functools.cache
def _fields(kind: type[Message]) -> tuple[tuple[str, _Convert, str, bool], ...]:
    """Return name, converter, place and whether it is required of each field.

    Cached, because to evaluate the types of a message takes longer than to convert it.
    """
    hints = typing.get_type_hints(kind)
    nothing = dataclasses.MISSING
    return tuple(
        (
            spec.name,
            _converter(hints[spec.name]),
            f"{kind.__name__}.{spec.name}",
            spec.default is nothing and spec.default_factory is nothing,
        )
        for spec in dataclasses.fields(kind)
    )


def _plain(value: Any) -> Any:
    """Return `value` as JSON values; messages may occur directly or in lists."""
    if isinstance(value, Message):
        return value.to_json()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _converter(hint: Any) -> _Convert:
    """Return what makes the declared type of a value; JSON has no tuples, integers or messages."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments)
    if origin is Literal:
        return _literal(arguments)
    if origin is list:
        return _list(_converter(arguments[0]))
    if origin is dict:
        return _dict(_converter(arguments[1]))
    if hint is Any:
        return lambda value, _where: value
    if isinstance(hint, type) and issubclass(hint, Message):
        return lambda value, _where: hint.from_json(value)
    return _scalar(hint)


def _union(choices: Sequence[Any]) -> _Convert:
    may_be_none = type(None) in choices
    converters = [_converter(choice) for choice in choices if choice is not type(None)]

    def convert(value: Any, where: str) -> Any:
        if value is None and may_be_none:
            return None
        problem = ProtocolError(f"{where}: {value!r} is not allowed")
        for one in converters:
            try:
                return one(value, where)
            except ProtocolError as exc:
                problem = exc
        raise problem

    return convert


def _literal(choices: tuple[Any, ...]) -> _Convert:
    def convert(value: Any, where: str) -> Any:
        if value not in choices:
            raise ProtocolError(f"{where}: {value!r} is not one of {choices}")
        return value

    return convert


def _list(inner: _Convert) -> _Convert:
    def convert(value: Any, where: str) -> Any:
        if not isinstance(value, list):
            raise ProtocolError(f"{where}: expected a list, got {type(value).__name__}")
        try:
            return [inner(item, where) for item in value]
        except ProtocolError:
            # Once more, to name the place.
            return [inner(item, f"{where}[{i}]") for i, item in enumerate(value)]

    return convert


def _dict(inner: _Convert) -> _Convert:
    def convert(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise ProtocolError(f"{where}: expected an object, got {type(value).__name__}")
        try:
            return {str(k): inner(item, where) for k, item in value.items()}
        except ProtocolError:
            return {str(k): inner(item, f"{where}.{k}") for k, item in value.items()}

    return convert


def _scalar(hint: Any) -> _Convert:
    def convert(value: Any, where: str) -> Any:
        whole = isinstance(value, int) and not isinstance(value, bool)
        is_number = whole or isinstance(value, float)
        if hint is float and is_number and abs(value) <= sys.float_info.max:
            return float(value)
        if hint is int and whole and abs(value) <= MAX_INT:
            return value
        if hint in (str, bool) and isinstance(value, hint):
            return value
        expected = getattr(hint, "__name__", hint)
        raise ProtocolError(f"{where}: expected {expected}, got {value!r}")

    return convert
