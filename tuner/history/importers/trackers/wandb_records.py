"""The transaction log of a W&B run, `run-ID.wandb`: records of protobuf in LevelDB's log format.

The file starts with 7 bytes (`:W&B`, a magic number, a version). Then follow blocks of 32 KiB,
which consist of pieces: CRC-32 (4 bytes, of the type and the data), length (2 bytes), type (1 byte:
whole, first, middle, last), data, all little-endian; the rest of a block that is too short for a
piece is zeros (wandb/sdk/internal/datastore.py). Only the requested fields of a record are read, by
the numbers of wandb's `wandb_internal.proto`.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

HEADER = b":W&B"
#: Maximum size of one record; larger ones are logged tables or images.
MAX_RECORD = 16 << 20

_HEADER_BYTES = 7
_BLOCK = 32 * 1024
_PIECE = struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4

#: The number of a field, and its value: an integer, or bytes.
Field = tuple[int, int | bytes]


class DamagedError(ValueError):
    """The rest cannot be read."""


def records(file: io.BufferedReader) -> Iterator[bytes]:
    """Yield the records of a log; one larger than `MAX_RECORD` is left out.

    Raises:
        DamagedError: it is not such a log, or is damaged from here on. A log that ends in the
            middle of a record, like that of a killed run, just ends.
    """
    if not file.read(_HEADER_BYTES).startswith(HEADER):
        raise DamagedError("is not the log of a W&B run")
    parts: list[bytes] = []
    size = 0
    for kind, data in _pieces(file):
        if kind in (_WHOLE, _FIRST):
            parts, size = [], 0
        size += len(data)
        if size <= MAX_RECORD:
            parts.append(data)
            if kind in (_WHOLE, _LAST):
                yield b"".join(parts)


def _pieces(file: io.BufferedReader) -> Iterator[tuple[int, bytes]]:
    """Yield the type and the data of each piece after the file's header."""
    offset = _HEADER_BYTES
    while True:
        left = _BLOCK - offset % _BLOCK
        if left < _PIECE.size:
            file.read(left)
            offset += left
            continue
        header = file.read(_PIECE.size)
        if len(header) < _PIECE.size:
            return
        checksum, length, kind = _PIECE.unpack(header)
        data = file.read(length)
        if len(data) < length:
            return
        is_known = kind in (_WHOLE, _FIRST, _MIDDLE, _LAST) and length <= left - _PIECE.size
        if not is_known or zlib.crc32(bytes([kind]) + data) != checksum:
            raise DamagedError("is damaged")
        offset += _PIECE.size + length
        yield kind, data


def fields(message: bytes) -> Iterator[Field]:
    """Yield the fields of a protobuf message in order.

    Raises:
        DamagedError: it is not valid.
    """
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == 2:
            length, at = _varint(message, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise DamagedError("is damaged")
        if at + length > len(message):
            raise DamagedError("is damaged")
        yield number, message[at : at + length]
        at += length


def text(value: int | bytes) -> str:
    """Return a field as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def inner(message: bytes, number: int) -> Iterator[bytes]:
    """Yield the messages and texts in a field, in order."""
    for found, value in fields(message):
        if found == number and isinstance(value, bytes):
            yield value


def first(message: bytes, number: int) -> int | bytes | None:
    """Return the last value of a field that is not repeated, None if it is missing."""
    return dict(fields(message)).get(number)


def signed(value: int) -> int:
    """Return a varint of a signed field as a number."""
    return value - (1 << 64) if value >= 1 << 63 else value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value & ((1 << 64) - 1), at
    raise DamagedError("is damaged")
