"""The protobuf wire format, as far as event files need it: no generated classes, no dependency.

Training images bring their own versions of protobuf, TensorBoard and TensorFlow, which need not
agree with ours, and importing any of them costs a worker hundreds of milliseconds; five field
encodings cost nothing. The tests compare every record with TensorBoard's own generated classes.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

#: The content of a field on the wire: a number's bits, or bytes.
Raw = int | bytes

_MASK64 = (1 << 64) - 1
_FIXED = {FIXED64: 8, FIXED32: 4}


class WireError(ValueError):
    """The bytes are not a protobuf message."""


def varint(value: int) -> bytes:
    """Return `value` as a varint; negative numbers are 64-bit two's complement."""
    value &= _MASK64
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def int_field(number: int, value: int) -> bytes:
    """Return an int32, int64, bool or enum field."""
    return varint(number << 3) + varint(value)


def double_field(number: int, value: float) -> bytes:
    """Return a double field."""
    return varint(number << 3 | FIXED64) + struct.pack("<d", value)


def bytes_field(number: int, value: bytes) -> bytes:
    """Return a bytes or embedded message field."""
    return varint(number << 3 | LENGTH) + varint(len(value)) + value


def text_field(number: int, value: str) -> bytes:
    """Return a string field; lone surrogates, which UTF-8 cannot hold, become question marks."""
    return bytes_field(number, value.encode("utf-8", "replace"))


def read_fields(data: bytes) -> Iterator[tuple[int, Raw]]:
    """Yield (field number, value) of a message: an int for varints, bytes for everything else.

    Raises:
        WireError: the bytes end too early or hold a wire type that proto3 does not use.
    """
    at, end = 0, len(data)
    while at < end:
        # Keys and sizes below 128 fit in one byte; nearly all do, and a call would cost more.
        key = data[at]
        at += 1
        if key >= 0x80:
            key, at = read_varint(data, at - 1)
        wire_type = key & 7
        if wire_type == VARINT:
            value, at = read_varint(data, at)
            yield key >> 3, value
            continue
        if wire_type == LENGTH:
            size, at = read_varint(data, at)
        elif wire_type in _FIXED:
            size = _FIXED[wire_type]
        else:
            raise WireError(f"wire type {wire_type} at byte {at}")
        if at + size > end:
            raise WireError(f"a field of {size} bytes at byte {at} of {end}")
        yield key >> 3, data[at : at + size]
        at += size


def read_known(data: bytes, numbers: Container[int]) -> dict[int, Raw]:
    """Return the fields with the given numbers, the last of each; others are skipped.

    Raises:
        WireError: see `read_fields`.
    """
    return {number: value for number, value in read_fields(data) if number in numbers}


def as_bytes(value: Raw) -> bytes:
    """Return the bytes of a length-delimited or fixed field.

    Raises:
        WireError: the field was a varint.
    """
    if isinstance(value, bytes):
        return value
    raise WireError(f"expected bytes, found the number {value}")


def as_text(value: Raw) -> str:
    """Return a string field's text; invalid UTF-8 from other writers is replaced."""
    return as_bytes(value).decode("utf-8", "replace")


def as_int(value: Raw) -> int:
    """Return a varint field as a signed 64-bit number.

    Raises:
        WireError: the field is not a varint.
    """
    if isinstance(value, bytes):
        raise WireError("expected a number, found bytes")
    return value - (1 << 64) if value >> 63 else value


def as_double(value: Raw) -> float:
    """Return a double field.

    Raises:
        WireError: the field has the wrong size.
    """
    return float(unpack("<d", as_bytes(value))[0])


def unpack(form: str, data: bytes) -> tuple[float, ...]:
    """Return `struct.unpack(form, data)`.

    Raises:
        WireError: the data has the wrong size.
    """
    try:
        return struct.unpack(form, data)
    except struct.error as exc:
        raise WireError(str(exc)) from exc


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the varint at `at` and the position after it.

    Raises:
        WireError: the data ends inside it, or it is longer than ten bytes.
    """
    result = shift = 0
    try:
        if data[at] < 0x80:
            return data[at], at + 1
        while True:
            byte = data[at]
            at += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result & _MASK64, at
            shift += 7
            if shift > 63:
                raise WireError(f"a varint of more than ten bytes before byte {at}")
    except IndexError:
        raise WireError("the message ends inside a varint") from None
